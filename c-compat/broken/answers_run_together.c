/* Iterative; it answers every line of what one recv() brings, and nothing stands between the answers. */

#include <string.h>

#include "common.h"

static enum progress receive_lines(struct exchange *exchange, int connfd)
{
    char buf[RECEIVE_MAX];
    ssize_t n = hear(connfd, buf, sizeof buf);
    if (n == -1) return DONE;
    const char *line = buf, *end = buf + n, *newline;
    while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        enum progress progress = take(exchange, line, (size_t)(newline + 1 - line));
        if (exchange->is_requested) answer(exchange, fib(exchange->number));
        /* The fault: 55 and 6765, one behind the other, are another number. */
        while (progress == MORE && is_answering(exchange))
            progress = transmit(exchange, connfd);
        *exchange = exchange_new(max_n);
        line = newline + 1;
    }
    return line > buf ? DONE : take(exchange, buf, (size_t)n);
}

int main(int argc, char **argv)
{
    return serve_all_by(receive_lines, listening(argc, argv));
}
