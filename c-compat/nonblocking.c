/* (Non-)Blocking I/O: solution C, non-blocking sockets */

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

static const struct timespec ROUND = {.tv_nsec = 10000000};

struct client {
    int connfd;
    struct exchange exchange;
};

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "nonblocking", SOCK_STREAM, TAKES_MAX_N);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, 5) == -1) die("listen");
    if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    ready("nonblocking", listenfd);

    struct client *clients = NULL;
    size_t count = 0, room = 0;
    for (;;) {
        bool idle = true;
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        int connfd = accept(listenfd, (struct sockaddr *)&cliaddr, &clilen);
        if (connfd != -1) {
            if (fcntl(connfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
            if (count == room) {
                room = room == 0 ? 64 : 2 * room;
                clients = realloc(clients, room * sizeof *clients);
                if (clients == NULL) die("realloc");
            }
            clients[count++] = (struct client){.connfd = connfd, .exchange = exchange_new(options.max_n)};
            idle = false;
        } else if (stopping) {
            break;
        } else {
            /* EAGAIN: nobody is waiting. */
            (void)survive("accept");
        }
        size_t i = 0;
        while (i < count && !stopping) {
            struct client *client = &clients[i];
            enum progress progress = advance(&client->exchange, client->connfd);
            if (progress != BLOCKED) idle = false;
            if (progress == DONE) {
                (void)close(client->connfd);
                clients[i] = clients[--count];
            } else {
                i++;
            }
        }
        if (idle) {
            /* A signal may end it early. */
            (void)nanosleep(&ROUND, NULL);
        }
    }
    if (close(listenfd) == -1) die("close");
    for (size_t i = 0; i < count; i++)
        (void)close(clients[i].connfd);
    free(clients);
}
