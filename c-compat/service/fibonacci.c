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
    struct exchange exchange;
    /* The answer's room stays as it is: what is sent of it is written before. */
    memset(&exchange, 0, offsetof(struct exchange, answer));
    exchange.max_n = (uint8_t)max_n;
    return exchange;
}

bool is_answering(const struct exchange *exchange)
{
    return exchange->unsent > 0;
}

/* With all that it calls inlined: to call them costs a third as much as what they do. */
__attribute__((flatten)) enum progress advance(struct exchange *exchange, int connfd)
{
    if (!is_answering(exchange)) {
        enum progress progress = receive(exchange, connfd);
        if (progress != MORE) return progress;
        if (exchange->is_requested)
            answer(exchange, fib(exchange->number));
        else if (!is_answering(exchange))
            return MORE;
    }
    return transmit(exchange, connfd);
}

const char *unsent(const struct exchange *exchange)
{
    return exchange->answer + ANSWER_MAX - exchange->unsent;
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
    ssize_t n = send(connfd, unsent(exchange), exchange->unsent, 0);
    if (n == -1) return after(errno);
    exchange->unsent = (uint8_t)(exchange->unsent - n);
    if (exchange->unsent > 0) return MORE;
    if (exchange->has_more) {
        /* Closed with something unread, the connection is reset. The end of file goes first. */
        (void)shutdown(connfd, SHUT_WR);
    }
    return DONE;
}

/* Digit by digit: the formatter would cost more than the rest of a short request. */
void answer(struct exchange *exchange, uint64_t number)
{
    uint8_t length = 0;
    for (char *digit = exchange->answer + ANSWER_MAX;;) {
        length++;
        if (number < 10) {
            *--digit = (char)('0' + number);
            break;
        }
        *--digit = (char)('0' + number % 10);
        number /= 10;
    }
    exchange->unsent = length;
    exchange->is_requested = false;
}

void refuse(struct exchange *exchange, const char *what)
{
    char line[ANSWER_MAX + 1];
    int length = snprintf(line, sizeof line, "error: %s; send a decimal integer from 0 to %d\n", what,
                          exchange->max_n);
    exchange->unsent = (uint8_t)length;
    memcpy(exchange->answer + ANSWER_MAX - length, line, (size_t)length);
    exchange->is_requested = false;
}

/* Tells a client that its time is over. */
static void time_out(struct exchange *exchange, int connfd)
{
    if (!is_answering(exchange)) {
        refuse(exchange, "no complete request in time");
        /* The client may be gone, or not reading; it is not asked twice. */
        (void)send(connfd, unsent(exchange), exchange->unsent, 0);
    }
}

/* The line is whole: a number is requested, or something is wrong with it. */
static void end_of_line(struct exchange *exchange)
{
    if (exchange->others > 0 && exchange->last == '\r') {
        exchange->received--;
        exchange->others--;
    }
    if (exchange->received == 0) {
        refuse(exchange, "empty request");
    } else if (exchange->others > 0) {
        bool is_number = exchange->is_negative && exchange->others == 1 && exchange->received > 1;
        refuse(exchange, is_number ? "negative" : "not a decimal integer");
    } else if (exchange->number > exchange->max_n) {
        refuse(exchange, "too large");
    } else {
        exchange->is_requested = true;
    }
}

enum progress take(struct exchange *exchange, const char *bytes, size_t count)
{
    exchange->has_more = count == RECEIVE_MAX;
    bool is_whole = false;
    if (count == 0) {
        if (exchange->received == 0 || stopping) return DONE;
        is_whole = true;
    }
    for (size_t i = 0; i < count; i++) {
        char byte = bytes[i];
        if (byte >= '0' && byte <= '9') {
            int number = exchange->number * 10 + (byte - '0');
            exchange->number = (uint8_t)(number < LARGEST_N + 1 ? number : LARGEST_N + 1);
        } else if (byte == '\n' || byte == '\0') {
            is_whole = true;
            break;
        } else {
            exchange->is_negative |= byte == '-' && exchange->received == 0;
            exchange->others++;
        }
        exchange->last = byte;
        exchange->received++;
    }
    if (exchange->received > REQUEST_MAX)
        refuse(exchange, "longer than 32 bytes");
    else if (is_whole)
        end_of_line(exchange);
    return MORE;
}

__attribute__((flatten)) void handle_request(int connfd, unsigned long max_n)
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
