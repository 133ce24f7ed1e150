/* I/O Multiplexing: poll */

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

struct client {
    int connfd;
    struct exchange exchange;
};

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "poll", SOCK_STREAM, TAKES_MAX_N);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, SOMAXCONN) == -1) die("listen");
    if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    ready("poll", listenfd);

    size_t count = 0, room = 64;
    struct client *clients = malloc(room * sizeof *clients);
    struct pollfd *fds = malloc((room + 1) * sizeof *fds);
    if (clients == NULL || fds == NULL) die("malloc");
    bool is_short = false;
    for (;;) {
        /* Short of descriptors, new clients wait a while; the others do not. */
        fds[0] = (struct pollfd){.fd = listenfd, .events = is_short ? 0 : POLLIN};
        for (size_t i = 0; i < count; i++) {
            struct client *client = &clients[i];
            short events = is_answering(&client->exchange) ? POLLOUT : POLLIN;
            fds[i + 1] = (struct pollfd){.fd = client->connfd, .events = events};
        }
        int nready = poll(fds, count + 1, is_short ? PAUSE : -1);
        if (nready == -1) {
            if (survive("poll")) pause_a_while();
            continue;
        }
        is_short = false;
        /* Backwards: the last client takes the place of one that is closed. */
        for (size_t i = count; i-- > 0;) {
            struct client *client = &clients[i];
            bool is_ready = fds[i + 1].revents != 0 && !stopping;
            if (is_ready && advance(&client->exchange, client->connfd) == DONE) {
                (void)close(client->connfd);
                clients[i] = clients[--count];
            }
        }
        if (fds[0].revents != 0) {
            struct sockaddr_storage cliaddr;
            socklen_t clilen = sizeof cliaddr;
            int connfd = accept4(listenfd, (struct sockaddr *)&cliaddr, &clilen, SOCK_NONBLOCK);
            if (connfd != -1) {
                struct exchange exchange = exchange_new(options.max_n);
                /* The request mostly comes right behind its connection. */
                if (advance(&exchange, connfd) == DONE) {
                    (void)close(connfd);
                    continue;
                }
                if (count == room) {
                    room *= 2;
                    clients = realloc(clients, room * sizeof *clients);
                    fds = realloc(fds, (room + 1) * sizeof *fds);
                    if (clients == NULL || fds == NULL) die("realloc");
                }
                clients[count++] = (struct client){.connfd = connfd, .exchange = exchange};
            } else if (stopping) {
                break;
            } else {
                is_short = survive("accept4");
            }
        }
    }
    if (close(listenfd) == -1) die("close");
    for (size_t i = 0; i < count; i++)
        (void)close(clients[i].connfd);
    free(clients);
    free(fds);
}
