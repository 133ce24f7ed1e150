/* I/O Multiplexing: epoll */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

struct client {
    bool is_connected;
    struct exchange exchange;
    uint32_t events; /* what the kernel has been asked to wait for; at first nothing */
};

/* Serves a client as far as it goes without waiting. Then it is waited for, or it is gone. */
static void advance_client(int epfd, int connfd, struct client *client)
{
    if (advance(&client->exchange, connfd) != DONE) {
        uint32_t events = is_answering(&client->exchange) ? EPOLLOUT : EPOLLIN;
        if (events == client->events) return;
        int op = client->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        struct epoll_event event = {.events = events, .data.fd = connfd};
        client->events = events;
        if (epoll_ctl(epfd, op, connfd, &event) == 0) return;
        /* The kernel has no room to remember it: this client is closed, the server goes on. */
        report_errno("epoll_ctl");
    }
    client->is_connected = false;
    (void)close(connfd);
}

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "epoll", SOCK_STREAM, TAKES_MAX_N);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, SOMAXCONN) == -1) die("listen");
    if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    int epfd = epoll_create1(0);
    if (epfd == -1) die("epoll_create1");
    struct epoll_event listening = {.events = EPOLLIN, .data.fd = listenfd};
    struct epoll_event nothing = {.events = 0, .data.fd = listenfd};
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, listenfd, &listening) == -1) die("epoll_ctl");
    ready("epoll", listenfd);

    struct client *clients = NULL; /* by descriptor */
    int room = 0;
    struct epoll_event events[64];
    bool is_short = false;
    while (!stopping) {
        /* Short of descriptors, new clients wait a while; the others do not. */
        int nready = epoll_wait(epfd, events, 64, is_short ? PAUSE : -1);
        if (nready == -1) {
            if (survive("epoll_wait")) pause_a_while();
            continue;
        }
        if (is_short) {
            is_short = false;
            if (epoll_ctl(epfd, EPOLL_CTL_MOD, listenfd, &listening) == -1) die("epoll_ctl");
        }
        for (int i = 0; i < nready; i++) {
            int connfd = events[i].data.fd;
            if (connfd == listenfd) {
                struct sockaddr_storage cliaddr;
                socklen_t clilen = sizeof cliaddr;
                connfd = accept4(listenfd, (struct sockaddr *)&cliaddr, &clilen, SOCK_NONBLOCK);
                if (connfd == -1) {
                    if (stopping) break;
                    is_short = survive("accept4");
                    if (is_short && epoll_ctl(epfd, EPOLL_CTL_MOD, listenfd, &nothing) == -1) die("epoll_ctl");
                    continue;
                }
                if (connfd >= room) {
                    clients = realloc(clients, 2 * (size_t)connfd * sizeof *clients);
                    if (clients == NULL) die("realloc");
                    memset(clients + room, 0, (size_t)(2 * connfd - room) * sizeof *clients);
                    room = 2 * connfd;
                }
                clients[connfd] = (struct client){.is_connected = true, .exchange = exchange_new(options.max_n)};
            }
            advance_client(epfd, connfd, &clients[connfd]);
        }
    }
    if (close(listenfd) == -1) die("close");
    for (int connfd = 0; connfd < room; connfd++)
        if (clients[connfd].is_connected) (void)close(connfd);
    if (close(epfd) == -1) die("close");
    free(clients);
}
