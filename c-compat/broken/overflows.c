/* Iterative; beyond 45 it does not recurse but add up, in 32 bits, and answers as if they were enough. */

#include "common.h"

static uint64_t fibonacci(uint64_t n)
{
    /* The fault: fib(48) needs 33 bits. */
    uint32_t now = 0, next = 1;
    while (n-- > 0) {
        uint32_t after = now + next;
        now = next;
        next = after;
    }
    return now;
}

static enum progress receive_and_answer(struct exchange *exchange, int connfd)
{
    enum progress progress = receive(exchange, connfd);
    if (exchange->is_requested && exchange->number > DEFAULT_MAX_N) answer(exchange, fibonacci(exchange->number));
    return progress;
}

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv);
    max_n = LARGEST_N;
    return serve_all_by(receive_and_answer, listenfd);
}
