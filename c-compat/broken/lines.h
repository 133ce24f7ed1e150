/* The Fibonacci service as a persistent one: one request after the other over one connection, each answer a line. */

#ifndef LINES_H
#define LINES_H

#include "common.h"

struct conversation {
    struct exchange exchange; /* the request that is coming */
    bool is_last;             /* whether the connection ends with this answer */
    size_t length, sent;      /* of the answer; nothing is said while the length is 0 */
    char line[ANSWER_MAX + 1];
};

struct conversation conversation_new(void);

/* Receives of one request what is there, and nothing of the next one, which can wait. */
enum progress hear_line(struct conversation *conversation, int connfd);

/* Takes what has been received; with the end of a line there is an answer. */
enum progress take_line(struct conversation *conversation, const char *bytes, size_t count);

/* One send() of what is left of the answer; MORE when it is sent, too. */
enum progress say_line(struct conversation *conversation, int connfd);

#endif
