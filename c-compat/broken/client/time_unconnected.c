/* Asks a time server, and does not hear that there is none. */

#include <netdb.h>
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
    /* The fault: only a connected socket is told that the port is closed (ICMP). */
    if (sendto(sockfd, "time", 4, 0, res->ai_addr, res->ai_addrlen) == -1) die("sendto");
    char answer[ANSWER_MOST];
    size_t length = receive_some(sockfd, answer, sizeof answer, &asked);
    freeaddrinfo(res);
    if (close(sockfd) == -1) die("close");
    say("%s\n", printable(answer, length));
}
