/* UDP; a client that is gone before its answer comes ends it. */

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int sockfd = bound(argc, argv);
    if (setsockopt(sockfd, IPPROTO_IP, IP_RECVERR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    for (;;) {
        char buf[DATAGRAM_MAX + 1], line[TIME_MAX];
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        ssize_t n = recvfrom(sockfd, buf, sizeof buf, 0, (struct sockaddr *)&cliaddr, &clilen);
        if (stopping) break;
        if (n == -1) {
            /* The fault: that a client can't be reached (ICMP) is treated as a failure of the server. */
            if (errno == ECONNREFUSED) die("recvfrom");
            if (survive("recvfrom")) pause_a_while();
            continue;
        }
        size_t length = handle_datagram(buf, (size_t)n, &cliaddr, HUMAN, line);
        if (length > 0) (void)sendto(sockfd, line, length, 0, (struct sockaddr *)&cliaddr, clilen);
    }
    if (close(sockfd) == -1) die("close");
}
