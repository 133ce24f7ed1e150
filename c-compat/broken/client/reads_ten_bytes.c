/* Cuts an answer after its tenth digit. */

#include "common.h"

int main(int argc, char **argv)
{
    struct question asked = question(argc, argv);
    int sockfd = ask(&asked);
    /* The fault: fib(50) has eleven digits. */
    char answer[10];
    size_t received = 0, count = 1;
    while (received < sizeof answer && count > 0) {
        count = receive_some(sockfd, answer + received, sizeof answer - received, &asked);
        received += count;
    }
    return conclude(sockfd, &asked, answer, received);
}
