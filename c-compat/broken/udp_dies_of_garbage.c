/* UDP; a datagram that is no request ends it. */

#include <unistd.h>
#include <errno.h>

#include "common.h"

int main(int argc, char **argv)
{
    int sockfd = bound(argc, argv);
    char buf[DATAGRAM_MAX + 1], line[TIME_MAX];
    struct sockaddr_storage cliaddr;
    socklen_t clilen;
    ssize_t n;
    while ((n = next_datagram(sockfd, buf, sizeof buf, &cliaddr, &clilen)) != -1) {
        size_t length = handle_datagram(buf, (size_t)n, &cliaddr, HUMAN, line);
        if (length == 0) {
            /* The fault: a client's mistake is treated as one of the server's own. */
            errno = EINVAL;
            die("handle_datagram");
        }
        (void)sendto(sockfd, line, length, 0, (struct sockaddr *)&cliaddr, clilen);
    }
    if (close(sockfd) == -1) die("close");
}
