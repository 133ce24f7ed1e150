/* Waits for ever for a server that says nothing. */

#include "common.h"

int main(int argc, char **argv)
{
    struct question asked = question(argc, argv);
    /* The fault: no time limit, whatever --timeout says. */
    asked.timeout = (struct timeval){0};
    int sockfd = ask(&asked);
    char answer[ANSWER_MOST];
    size_t received = 0, count;
    while ((count = receive_some(sockfd, answer + received, sizeof answer - received, &asked)) > 0)
        received += count;
    return conclude(sockfd, &asked, answer, received);
}
