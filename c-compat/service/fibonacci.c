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

static void parse_request(struct exchange *exchange)
{
    unsigned long n;
    const char *what = parse(exchange->text, exchange->received, exchange->max_n, &n);
    if (what != NULL) {
        refuse(exchange, what);
    } else {
        exchange->is_requested = true;
        exchange->requested = (uint8_t)n;
    }
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
    return (struct exchange){.max_n = (uint8_t)max_n};
}

bool is_answering(const struct exchange *exchange)
{
    return exchange->length > 0;
}

enum progress advance(struct exchange *exchange, int connfd)
{
    if (!is_answering(exchange)) {
        enum progress progress = receive(exchange, connfd);
        if (progress != MORE) return progress;
        if (exchange->is_requested) answer(exchange, fib(exchange->requested));
        if (!is_answering(exchange)) return MORE;
    }
    return transmit(exchange, connfd);
}

enum progress receive(struct exchange *exchange, int connfd)
{
    char buf[RECEIVE_MAX];
    ssize_t n = recv(connfd, buf, sizeof buf, 0);
    if (n == -1) return after(errno);
    return take(exchange, buf, (size_t)n);
}

enum progress transmit(struct exchange *exchange, int connfd)
{
    ssize_t n = send(connfd, exchange->text + exchange->sent, (size_t)(exchange->length - exchange->sent), 0);
    if (n == -1) return after(errno);
    exchange->sent = (uint8_t)(exchange->sent + n);
    if (exchange->sent < exchange->length) return MORE;
    if (exchange->has_more) {
        /* Closed with something unread, the connection is reset. The end of file goes first. */
        (void)shutdown(connfd, SHUT_WR);
    }
    return DONE;
}

/* Digit by digit: the formatter would cost more than the rest of a short request. */
void answer(struct exchange *exchange, uint64_t number)
{
    char digits[DIGITS_MAX];
    size_t first = DIGITS_MAX;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    exchange->length = (uint8_t)(DIGITS_MAX - first);
    memcpy(exchange->text, digits + first, exchange->length);
    exchange->is_requested = false;
}

void refuse(struct exchange *exchange, const char *what)
{
    exchange->length = (uint8_t)snprintf(exchange->text, ANSWER_MAX,
                                         "error: %s; send a decimal integer from 0 to %d\n", what,
                                         exchange->max_n);
    exchange->is_requested = false;
}

/* Tells a client that its time is over. */
static void time_out(struct exchange *exchange, int connfd)
{
    if (!is_answering(exchange)) {
        refuse(exchange, "no complete request in time");
        /* The client may be gone, or not reading; it is not asked twice. */
        (void)send(connfd, exchange->text, exchange->length, 0);
    }
}

enum progress take(struct exchange *exchange, const char *bytes, size_t count)
{
    exchange->has_more = count == RECEIVE_MAX;
    if (count == 0) {
        if (exchange->received == 0 || stopping) return DONE;
        parse_request(exchange);
        return MORE;
    }
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\0') {
            parse_request(exchange);
            break;
        }
        if (exchange->received == REQUEST_MAX) {
            refuse(exchange, "longer than 32 bytes");
            break;
        }
        exchange->text[exchange->received++] = bytes[i];
    }
    return MORE;
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
