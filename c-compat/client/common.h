/* What the clients do alike. Its counterpart in Rust is src/client/mod.rs, and what src/cli/client.rs
   does with an answer. */

#ifndef CLIENT_COMMON_H
#define CLIENT_COMMON_H

#include <netdb.h>
#include <stddef.h>
#include <sys/time.h>

#include "../common.h"

/* The addresses of the host, in the order in which they are to be tried; dies if there are none. */
struct addrinfo *resolve(const char *host, unsigned short port, int socktype);

/* A socket connected to one address, or -1: then *call names the call that failed, errno says why.
   With a timeout other than zero no connect(), send() or recv() on it takes longer. */
int connect_one(const struct addrinfo *ai, struct timeval timeout, const char **call);

/* A socket connected to the first address of the host that answers; dies if none does. */
int connect_to(const char *host, unsigned short port, int socktype, struct timeval timeout);

/* A client's failed call, with whom it was about; exit status 1. */
_Noreturn void client_dies(const char *call, const char *host, unsigned short port);

enum { ANSWER_MOST = 4096 }; /* more than any server here says, in bytes */

/* The help of a client; exit status 0. */
_Noreturn void client_help(const char *name, const char *twin, const char *arguments);

#endif
