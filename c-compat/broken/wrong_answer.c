/* Iterative; fib(0) is 1. */

#include "common.h"

static uint64_t fibonacci(uint64_t n)
{
    /* The fault: it is right from 1 on only. */
    uint64_t before = 0, now = 1;
    for (uint64_t i = 1; i < n; i++) {
        uint64_t next = before + now;
        before = now;
        now = next;
    }
    return now;
}

static enum progress receive_and_answer(struct exchange *exchange, int connfd)
{
    enum progress progress = receive(exchange, connfd);
    if (exchange->is_requested) answer(exchange, fibonacci(exchange->number));
    return progress;
}

int main(int argc, char **argv)
{
    return serve_all_by(receive_and_answer, listening(argc, argv));
}
