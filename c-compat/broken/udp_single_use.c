/* UDP; one answer, and it ends. */

#include <unistd.h>

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
        if (length == 0) continue;
        (void)sendto(sockfd, line, length, 0, (struct sockaddr *)&cliaddr, clilen);
        /* The fault: the next client finds nobody. */
        break;
    }
    if (close(sockfd) == -1) die("close");
}
