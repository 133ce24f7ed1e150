/* UDP; for a word it sends fourteen hundred bytes. */

#include <unistd.h>
#include <string.h>

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
        /* The fault: whoever forges his sender's address has this much more sent there. */
        char much[1400] = {0};
        memcpy(much, line, length);
        if (length > 0) (void)sendto(sockfd, much, sizeof much, 0, (struct sockaddr *)&cliaddr, clilen);
    }
    if (close(sockfd) == -1) die("close");
}
