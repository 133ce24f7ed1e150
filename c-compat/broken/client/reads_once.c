/* Takes the first piece of an answer for all of it. */

#include "common.h"

int main(int argc, char **argv)
{
    struct question asked = question(argc, argv);
    int sockfd = ask(&asked);
    char answer[ANSWER_MOST];
    /* The fault: one recv(), though TCP may bring an answer in pieces. */
    size_t received = receive_some(sockfd, answer, sizeof answer, &asked);
    return conclude(sockfd, &asked, answer, received);
}
