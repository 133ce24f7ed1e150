/* The Fibonacci service over TCP: one request per connection.

   A request is a decimal integer, ended by a newline or a NUL (a carriage return before it is
   dropped) or, after a digit, by the end of file. The answer is the Fibonacci number in decimal
   with nothing after it, or one line that begins with "error: "; then the server closes. */

#ifndef FIBONACCI_H
#define FIBONACCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REQUEST_MAX = 32 };    /* the longest request, in bytes, without what ends it */
enum { LARGEST_N = 93 };      /* the largest n whose Fibonacci number fits 64 bits */
enum { DEFAULT_MAX_N = 45 };  /* the largest n that is computed unless told otherwise */
enum { ANSWER_MAX = 80 };     /* room for any answer: 20 digits, or an error's line */
enum { RECEIVE_MAX = 64 };    /* what one recv() asks for: the longest request, and some of what follows */

/* The nth Fibonacci number by the naive recursion: the load that the lecture is about, one call for
   each node of the tree.

   The lecture's phrasing, on an unsigned 64-bit integer, and never inlined, in both languages. Left
   to inline it, a compiler computes something else: gcc -O2 unrolls the recursion eight levels deep
   into loops and LLVM may merge equal subtrees, so neither time would say what a call costs. */
uint64_t fib(uint64_t n);

/* Serves one client on a blocking socket, from its request to its answer. Whatever goes wrong with
   a connected socket is that client's trouble alone, so nothing is returned. */
void handle_request(int connfd, unsigned long max_n);

/* How far exchange_advance() has come: some bytes came or went and more have to; the call would
   have blocked (EAGAIN, EWOULDBLOCK); answered, or nothing to answer, or the client is lost. */
enum progress { MORE, BLOCKED, DONE };

/* One request and its answer, as far as they have come: what a server has to remember of a client,
   below 100 bytes. */
struct exchange {
    uint8_t max_n;
    uint8_t received; /* how many bytes of the request's line have come */
    uint8_t others;   /* how many of them are no digits */
    uint8_t number;   /* what the digits say, at most one more than the largest */
    char last;        /* its last byte */
    bool is_negative; /* whether its first is a minus */
    bool is_requested;
    bool has_more;
    uint8_t unsent;          /* how many bytes of the answer are still to be sent: */
    char answer[ANSWER_MAX]; /* the last ones of its room */
};

/* Nothing received, nothing sent; requests up to max_n, which is at most LARGEST_N. */
struct exchange exchange_new(unsigned long max_n);

/* Whether it is the answer's turn, so that the socket has to be writable, not readable. */
bool is_answering(const struct exchange *exchange);

/* At most one recv(), the computation, and one send(), on a blocking or a non-blocking socket. */
enum progress advance(struct exchange *exchange, int connfd);

/* One recv(). Afterwards there may be a number to compute, or an error to answer with. */
enum progress receive(struct exchange *exchange, int connfd);

/* One send() of what is left of the answer. */
enum progress transmit(struct exchange *exchange, int connfd);

/* What is left of the answer: exchange->unsent bytes. */
const char *unsent(const struct exchange *exchange);

/* Answers with a number, or with an error's line. */
void answer(struct exchange *exchange, uint64_t number);
void refuse(struct exchange *exchange, const char *what);

/* Takes what one recv() of at most RECEIVE_MAX bytes has brought, nothing being the end of file. */
enum progress take(struct exchange *exchange, const char *bytes, size_t count);

#endif
