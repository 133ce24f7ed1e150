/* UDP Time Service - Iterative */

#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/time.h"

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "udp_iterative", SOCK_DGRAM, TAKES_FORMAT);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int sockfd = socket(servaddr->sa_family, SOCK_DGRAM, 0);
    if (sockfd == -1) die("socket");
    if (bind(sockfd, servaddr, options.servaddrlen) == -1) die("bind");
    ready("udp_iterative", sockfd);

    for (;;) {
        char buf[DATAGRAM_MAX + 1];
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        ssize_t n = recvfrom(sockfd, buf, sizeof buf, 0, (struct sockaddr *)&cliaddr, &clilen);
        if (n == -1) {
            if (survive("recvfrom")) pause_a_while();
            continue;
        }
        if (stopping) break;
        char answer[TIME_MAX];
        size_t length = handle_datagram(buf, (size_t)n, &cliaddr, options.format, answer);
        if (length == 0) continue;
        /* A client that can't be reached is its own trouble. */
        (void)sendto(sockfd, answer, length, 0, (struct sockaddr *)&cliaddr, clilen);
    }
    if (close(sockfd) == -1) die("close");
}
