/* The sound part of the clients among the specimens. */

#ifndef BROKEN_CLIENT_COMMON_H
#define BROKEN_CLIENT_COMMON_H

#include "../../client/common.h"
#include "../../common.h"

struct question {
    const char *host;
    unsigned short port;
    long n;
    struct timeval timeout; /* how long one call may take */
};

/* Reads [HOST] [PORT] [-n N] [--timeout S]; without a time limit it is two seconds. */
struct question question(int argc, char **argv);

/* A connected socket. */
int ask(const struct question *question);

/* Sends the request. */
void request(int sockfd, const struct question *question);

/* One recv() that goes on after a signal; any other error ends the client. */
size_t receive_some(int sockfd, char *buf, size_t room, const struct question *question);

/* Closes, prints the answer or what is wrong with it, and returns main()'s status. */
int conclude(int sockfd, const struct question *question, const char *answer, size_t length);

#endif
