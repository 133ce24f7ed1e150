/* Takes what has come before a reset for the whole answer. */

#include <sys/socket.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct question asked = question(argc, argv);
    int sockfd = ask(&asked);
    char answer[ANSWER_MOST];
    size_t received = 0;
    ssize_t count;
    /* The fault: an error of recv() is taken for the end of the file. */
    while ((count = recv(sockfd, answer + received, sizeof answer - received, 0)) > 0)
        received += (size_t)count;
    return conclude(sockfd, &asked, answer, received);
}
