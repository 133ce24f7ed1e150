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
enum { ANSWER_MAX = 96 };     /* room for any answer: 20 digits, or an error's line */

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

/* One request and its answer, as far as they have come. */
struct exchange {
    unsigned long max_n;
    char line[REQUEST_MAX];
    size_t received;
    char answer[ANSWER_MAX];
    size_t length;
    size_t sent;
    bool has_more;
};

/* Nothing received, nothing sent; requests up to max_n. */
struct exchange exchange_new(unsigned long max_n);

/* Whether it is the answer's turn, so that the socket has to be writable, not readable. */
bool is_answering(const struct exchange *exchange);

/* At most one recv() and one send(), on a blocking or a non-blocking socket. */
enum progress advance(struct exchange *exchange, int connfd);

#endif
