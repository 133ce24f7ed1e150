/* Tries again and again to connect to a port where nobody listens. */

#include <errno.h>
#include <netdb.h>
#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct question asked = question(argc, argv);
    struct addrinfo *res = resolve(asked.host, asked.port, SOCK_STREAM);
    const char *call;
    int sockfd;
    /* The fault: that the connection is refused does not end it. */
    while ((sockfd = connect_one(res, asked.timeout, &call)) == -1 && errno == ECONNREFUSED)
        pause_a_while();
    if (sockfd == -1) client_dies(call, asked.host, asked.port);
    freeaddrinfo(res);
    request(sockfd, &asked);
    char answer[ANSWER_MOST];
    size_t received = 0, count;
    while ((count = receive_some(sockfd, answer + received, sizeof answer - received, &asked)) > 0)
        received += count;
    return conclude(sockfd, &asked, answer, received);
}
