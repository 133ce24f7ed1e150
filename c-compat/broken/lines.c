#include "lines.h"

#include <errno.h>
#include <string.h>

struct conversation conversation_new(void)
{
    return (struct conversation){.exchange = exchange_new(max_n)};
}

static enum progress after(int error)
{
    switch (error) {
    case EINTR: return MORE;
    case EAGAIN: return BLOCKED;
    default: return DONE;
    }
}

enum progress hear_line(struct conversation *conversation, int connfd)
{
    char buf[RECEIVE_MAX];
    ssize_t n = recv(connfd, buf, sizeof buf, MSG_PEEK);
    if (n == -1) return after(errno);
    const char *newline = memchr(buf, '\n', (size_t)n);
    if (newline != NULL) n = newline + 1 - buf;
    if (n > 0) n = recv(connfd, buf, (size_t)n, 0);
    if (n == -1) return after(errno);
    return take_line(conversation, buf, (size_t)n);
}

enum progress take_line(struct conversation *conversation, const char *bytes, size_t count)
{
    struct exchange *exchange = &conversation->exchange;
    if (take(exchange, bytes, count) == DONE) return DONE;
    if (exchange->is_requested) answer(exchange, fib(exchange->number));
    if (!is_answering(exchange)) return MORE;
    /* A line that is too long has no end that could be looked for. */
    conversation->is_last = exchange->received > REQUEST_MAX;
    conversation->length = exchange->unsent;
    conversation->sent = 0;
    memcpy(conversation->line, unsent(exchange), exchange->unsent);
    if (conversation->line[conversation->length - 1] != '\n') conversation->line[conversation->length++] = '\n';
    *exchange = exchange_new(max_n);
    return MORE;
}

enum progress say_line(struct conversation *conversation, int connfd)
{
    ssize_t n = send(connfd, conversation->line + conversation->sent, conversation->length - conversation->sent, 0);
    if (n == -1) return after(errno);
    conversation->sent += (size_t)n;
    if (conversation->sent < conversation->length) return MORE;
    conversation->length = 0;
    if (!conversation->is_last) return MORE;
    /* Closed with something unread, the connection is reset. The end of file goes first. */
    (void)shutdown(connfd, SHUT_WR);
    return DONE;
}
