/* What the files of this folder have between them. */

#ifndef INTERNAL_H
#define INTERNAL_H

#include "../common.h"

/* The server's address, for errors. */
extern struct sockaddr_storage servaddr;
extern socklen_t servaddrlen;

/* The process that is the server, and its listening socket until a request to stop has ended it. */
extern atomic_int server;
extern atomic_int listenfd_to_end;

/* Shuts a socket down for reading; of -1 there is none. */
void end_of_file(int fd);

/* The signals that are requests to stop, and how they are handled. */
sigset_t stops(void);
void handle_stops(int flags);

#endif
