/* UDP; it answers whatever comes from wherever, another server's answers too. */

#include <unistd.h>
#include <time.h>

#include "common.h"

int main(int argc, char **argv)
{
    int sockfd = bound(argc, argv);
    char buf[DATAGRAM_MAX + 1], line[TIME_MAX];
    struct sockaddr_storage cliaddr;
    socklen_t clilen;
    ssize_t n;
    while ((n = next_datagram(sockfd, buf, sizeof buf, &cliaddr, &clilen)) != -1) {
        /* The fault: with one forged datagram two of these talk to each other for ever. */
        size_t length = tell(time(NULL), HUMAN, line);
        (void)n;
        if (length > 0) (void)sendto(sockfd, line, length, 0, (struct sockaddr *)&cliaddr, clilen);
    }
    if (close(sockfd) == -1) die("close");
}
