/* Takes an end of file without an answer for the number 0. */

#include "common.h"

int main(int argc, char **argv)
{
    struct question asked = question(argc, argv);
    int sockfd = ask(&asked);
    char answer[ANSWER_MOST];
    size_t received = 0, count;
    while ((count = receive_some(sockfd, answer + received, sizeof answer - received, &asked)) > 0)
        received += count;
    /* The fault: as atoi("") does. */
    if (received == 0) answer[received++] = '0';
    return conclude(sockfd, &asked, answer, received);
}
