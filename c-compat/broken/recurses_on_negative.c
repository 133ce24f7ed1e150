/* Iterative; the recursion for a negative n never comes to 0, so the stack overflows. */

#include "common.h"

static int64_t fibonacci(int64_t n) __attribute__((noinline));

static int64_t fibonacci(int64_t n)
{
    if (n == 0) return 0;
    if (n == 1) return 1;
    return fibonacci(n - 1) + fibonacci(n - 2);
}

static enum progress receive_number(struct exchange *exchange, int connfd)
{
    enum progress progress = receive(exchange, connfd);
    bool is_negative = exchange->is_negative && exchange->others == 1 && exchange->number > 0;
    /* The fault: a minus is allowed. */
    if (is_answering(exchange) && is_negative) answer(exchange, (uint64_t)fibonacci(-(int64_t)exchange->number));
    return progress;
}

int main(int argc, char **argv)
{
    return serve_all_by(receive_number, listening(argc, argv));
}
