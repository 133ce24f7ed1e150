/* The sound part of the specimens, so that a specimen's file has little more than its fault. */

#ifndef BROKEN_COMMON_H
#define BROKEN_COMMON_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "../common.h"
#include "../service/fibonacci.h"

/* The largest n that is computed: --max-n. */
extern unsigned long max_n;

/* Reads --bind, --port and (over TCP) --max-n; says what it is if asked for --help. */
struct options arguments(int argc, char **argv, int socktype);

/* The program's name, for its line. */
const char *name(void);

/* A listening socket: socket, SO_REUSEADDR, bind, listen; then the line that says where it listens. */
int listening(int argc, char **argv);
int listening_at(const struct options *options);

/* The same, with something that is done before anybody can know that it listens. */
int listening_after(int argc, char **argv, void (*arrange)(void));

/* The same for datagrams. */
int bound(int argc, char **argv);

/* accept() that survives what it should; -1 when the server is to stop. */
int next_client(int listenfd);

/* recvfrom() that survives what it should; -1 when the server is to stop. */
ssize_t next_datagram(int sockfd, char *buf, size_t room, struct sockaddr_storage *cliaddr, socklen_t *clilen);

/* How a server gets at a request: receive(), or a specimen's own. */
typedef enum progress receiver(struct exchange *exchange, int connfd);

/* recv() that goes on after a signal; -1 when the client is lost. */
ssize_t hear(int connfd, char *buf, size_t room);

/* advance(), and again what a signal has interrupted: the socket is readable only once. */
enum progress advance_on(struct exchange *exchange, int connfd);

/* handle_request() with a receiver of the specimen's own. */
void handle_request_by(receiver *by, int connfd);

/* One client from its request to the close; so that a request to stop ends its reading. */
void serve(int connfd);
void serve_by(receiver *by, int connfd);

/* The iterative server: one client after the other until it is to stop; returns main()'s status. */
int serve_all(int listenfd);
int serve_all_by(receiver *by, int listenfd);

/* What the child of a forked server does: closes the listening socket, serves and ends. */
_Noreturn void serve_in_child(receiver *by, int listenfd, int connfd);

/* What the threads of a threaded server are made with: detached, a small stack. */
pthread_attr_t detached(void);

#endif
