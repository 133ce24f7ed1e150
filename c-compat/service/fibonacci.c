#include "fibonacci.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "../common.h"

__attribute__((noinline)) uint64_t fib(uint64_t n)
{
    if (n == 0) {
        return 0;
    } else if (n == 1) {
        return 1;
    } else {
        return fib(n - 1) + fib(n - 2);
    }
}

static void refuse(struct exchange *exchange, const char *what)
{
    exchange->length = (size_t)snprintf(exchange->answer, ANSWER_MAX,
                                        "error: %s; send a decimal integer from 0 to %lu\n", what,
                                        exchange->max_n);
}

/* Digit by digit: the formatter would cost more than the rest of a short request. */
static void write_number(struct exchange *exchange, uint64_t number)
{
    enum { DIGITS_MAX = 20 }; /* the digits of the largest 64-bit number */
    char digits[DIGITS_MAX];
    size_t first = DIGITS_MAX;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    exchange->length = DIGITS_MAX - first;
    memcpy(exchange->answer, digits + first, exchange->length);
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* The number on a request's line, or what is wrong with it. */
static const char *parse(const char *line, size_t length, unsigned long max_n, unsigned long *n)
{
    if (length > 0 && line[length - 1] == '\r')
        length--;
    if (length == 0) return "empty request";
    size_t start = line[0] == '-' ? 1 : 0;
    if (length == start) return "not a decimal integer";
    for (size_t i = start; i < length; i++)
        if (!is_digit(line[i])) return "not a decimal integer";
    if (start > 0) return "negative";
    *n = 0;
    for (size_t i = 0; i < length; i++) {
        *n = *n * 10 + (unsigned long)(line[i] - '0');
        if (*n > max_n) return "too large";
    }
    return NULL;
}

static void compute(struct exchange *exchange)
{
    unsigned long n;
    const char *what = parse(exchange->line, exchange->received, exchange->max_n, &n);
    if (what != NULL)
        refuse(exchange, what);
    else
        write_number(exchange, fib(n));
}

/* Takes what was received, nothing being the end of file, and computes the answer if the request is
   whole. */
static enum progress take(struct exchange *exchange, const char *bytes, size_t count)
{
    if (count == 0) {
        if (exchange->received == 0 || stopping) return DONE;
        compute(exchange);
        return MORE;
    }
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\0') {
            compute(exchange);
            break;
        }
        if (exchange->received == REQUEST_MAX) {
            refuse(exchange, "longer than 32 bytes");
            break;
        }
        exchange->line[exchange->received++] = bytes[i];
    }
    return MORE;
}

static enum progress after(int error)
{
    switch (error) {
    case EINTR: return MORE;
    case EAGAIN: return BLOCKED;
    /* A reset, a broken pipe, no memory: nothing more can be said to this client. */
    default: return DONE;
    }
}

_Static_assert(EAGAIN == EWOULDBLOCK, "one number with two names");

struct exchange exchange_new(unsigned long max_n)
{
    struct exchange exchange = {.max_n = max_n};
    return exchange;
}

bool is_answering(const struct exchange *exchange)
{
    return exchange->length > 0;
}

enum progress advance(struct exchange *exchange, int connfd)
{
    if (!is_answering(exchange)) {
        char buf[2 * REQUEST_MAX];
        ssize_t n = recv(connfd, buf, sizeof buf, 0);
        if (n == -1) return after(errno);
        exchange->has_more = (size_t)n == sizeof buf;
        if (take(exchange, buf, (size_t)n) == DONE) return DONE;
        if (!is_answering(exchange)) return MORE;
    }
    ssize_t n = send(connfd, exchange->answer + exchange->sent, exchange->length - exchange->sent, 0);
    if (n == -1) return after(errno);
    exchange->sent += (size_t)n;
    if (exchange->sent < exchange->length) return MORE;
    if (exchange->has_more) {
        /* Closed with something unread, the connection is reset. The end of file goes first. */
        (void)shutdown(connfd, SHUT_WR);
    }
    return DONE;
}

/* Tells a client that its time is over. */
static void time_out(struct exchange *exchange, int connfd)
{
    if (!is_answering(exchange)) {
        refuse(exchange, "no complete request in time");
        /* The client may be gone, or not reading; it is not asked twice. */
        (void)send(connfd, exchange->answer, exchange->length, 0);
    }
}

void handle_request(int connfd, unsigned long max_n)
{
    struct exchange exchange = exchange_new(max_n);
    for (;;) {
        switch (advance(&exchange, connfd)) {
        case MORE: break;
        /* Only a time limit (SO_RCVTIMEO, SO_SNDTIMEO) makes a blocking socket say EAGAIN. */
        case BLOCKED: time_out(&exchange, connfd); return;
        case DONE: return;
        }
    }
}
