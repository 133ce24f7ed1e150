/* UDP; the answer comes from another port than the one that was asked. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int sockfd = bound(argc, argv);
    /* The fault: a client that has connected its socket does not get what this one sends. */
    int answerfd = socket(AF_INET, SOCK_DGRAM, 0);
    if (answerfd == -1) die("socket");
    char buf[DATAGRAM_MAX + 1], line[TIME_MAX];
    struct sockaddr_storage cliaddr;
    socklen_t clilen;
    ssize_t n;
    while ((n = next_datagram(sockfd, buf, sizeof buf, &cliaddr, &clilen)) != -1) {
        size_t length = handle_datagram(buf, (size_t)n, &cliaddr, HUMAN, line);
        if (length > 0) (void)sendto(answerfd, line, length, 0, (struct sockaddr *)&cliaddr, clilen);
    }
    if (close(sockfd) == -1) die("close");
    if (close(answerfd) == -1) die("close");
}
