/* Takes a datagram from anybody for its server's answer. */

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct question asked = question(argc, argv);
    struct addrinfo *res = resolve(asked.host, asked.port, SOCK_DGRAM);
    int sockfd = socket(res->ai_family, SOCK_DGRAM, 0);
    if (sockfd == -1) die("socket");
    if (setsockopt(sockfd, SOL_SOCKET, SO_RCVTIMEO, &asked.timeout, sizeof asked.timeout) == -1) die("setsockopt");
    /* So that it is told of a closed port (ICMP), without being connected. */
    int on = 1, is_v6 = res->ai_family == AF_INET6;
    if (setsockopt(sockfd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof on) == -1)
        die("setsockopt");
    if (sendto(sockfd, "time", 4, 0, res->ai_addr, res->ai_addrlen) == -1) die("sendto");
    char answer[ANSWER_MOST];
    /* The fault: who has answered is not asked. */
    size_t length = receive_some(sockfd, answer, sizeof answer, &asked);
    freeaddrinfo(res);
    if (close(sockfd) == -1) die("close");
    say("%s\n", printable(answer, length));
}
