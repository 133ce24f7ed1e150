/* UDP; a datagram that is larger than its buffer ends it. */

#include <errno.h>
#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int sockfd = bound(argc, argv);
    for (;;) {
        char buf[DATAGRAM_MAX + 1], line[TIME_MAX];
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        ssize_t n = recvfrom(sockfd, buf, sizeof buf, MSG_TRUNC, (struct sockaddr *)&cliaddr, &clilen);
        if (stopping) break;
        if (n == -1) {
            if (survive("recvfrom")) pause_a_while();
            continue;
        }
        if (n > (ssize_t)sizeof buf) {
            /* The fault: a client's mistake is treated as one of the server's own. */
            errno = EMSGSIZE;
            die("recvfrom");
        }
        size_t length = handle_datagram(buf, (size_t)n, &cliaddr, HUMAN, line);
        if (length > 0) (void)sendto(sockfd, line, length, 0, (struct sockaddr *)&cliaddr, clilen);
    }
    if (close(sockfd) == -1) die("close");
}
