/* Iterative; fib(0) is 1. */

#include "common.h"

static enum progress receive_and_answer(struct exchange *exchange, int connfd)
{
    enum progress progress = receive(exchange, connfd);
    /* The fault: the series is begun with 1, 1. */
    if (exchange->is_requested && exchange->number == 0) answer(exchange, 1);
    return progress;
}

int main(int argc, char **argv)
{
    return serve_all_by(receive_and_answer, listening(argc, argv));
}
