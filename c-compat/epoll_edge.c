/* I/O Multiplexing: epoll, edge-triggered */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients.h"
#include "common.h"

/* How often each of those who can go on has its turn before the kernel is asked for others. */
enum { TURNS = 64 };

/* Serves a client one step further and returns whether it can go on at once. Otherwise it is waited
   for, or it is gone. */
static bool advance_ready(int epfd, struct clients *clients, int connfd)
{
    struct client *client = client_of(clients, connfd);
    if (client == NULL) return false;
    enum progress progress = advance(&client->exchange, connfd);
    client->is_ready = progress == MORE;
    uint32_t everything = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    switch (progress) {
    case MORE: return true;
    case BLOCKED:
        if (wait_for(epfd, connfd, client, everything)) return false;
        break;
    case DONE: break;
    }
    close_client(clients, connfd);
    return false;
}

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "epoll_edge", SOCK_STREAM, TAKES_MAX_N);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, SOMAXCONN) == -1) die("listen");
    if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    struct epoll_event listening = {.events = EPOLLIN | EPOLLET, .data.fd = listenfd};
    int epfd = epoll_create1(0);
    if (epfd == -1) die("epoll_create1");
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, listenfd, &listening) == -1) die("epoll_ctl");
    ready("epoll_edge", listenfd);

    struct clients clients = clients_new(options.max_n);
    struct epoll_event events[64];
    int *can_go_on = NULL; /* the clients that can */
    size_t count = 0, room = 0;
    bool accepting = false; /* the listening socket can */
    bool is_short = false;
    while (!stopping) {
        /* Short of descriptors, new clients wait a while; the others do not. */
        int timeout = is_short ? PAUSE : -1;
        if (accepting || count > 0) timeout = 0;
        int nready = epoll_wait(epfd, events, 64, timeout);
        if (nready == -1) {
            if (survive("epoll_wait")) pause_a_while();
            continue;
        }
        /* Those who wait to be accepted are not told of again. */
        accepting |= is_short;
        is_short = false;
        /* Room for all of them and for those who are accepted in the next turns. */
        if (count + 64 + TURNS > room) {
            room = 2 * (count + 64 + TURNS);
            can_go_on = realloc(can_go_on, room * sizeof *can_go_on);
            if (can_go_on == NULL) die("realloc");
        }
        for (int i = 0; i < nready; i++) {
            int connfd = events[i].data.fd;
            struct client *client;
            if (connfd == listenfd) {
                accepting = true;
            } else if ((client = client_of(&clients, connfd)) != NULL && !client->is_ready) {
                client->is_ready = true;
                can_go_on[count++] = connfd;
            }
        }
        /* In turn, so that nobody who sends for ever keeps the others waiting. */
        for (int turn = 0; turn < TURNS; turn++) {
            if (accepting) {
                struct sockaddr_storage cliaddr;
                socklen_t clilen = sizeof cliaddr;
                int connfd = accept4(listenfd, (struct sockaddr *)&cliaddr, &clilen, SOCK_NONBLOCK);
                if (connfd != -1) {
                    can_go_on[count++] = add_client(&clients, connfd);
                } else if (stopping) {
                    break;
                } else {
                    bool is_drained = errno == EAGAIN;
                    is_short = survive("accept4");
                    accepting = !is_short && !is_drained;
                }
            }
            /* Backwards: the last one takes the place of one that can't go on. */
            for (size_t i = count; i-- > 0;)
                if (!advance_ready(epfd, &clients, can_go_on[i])) can_go_on[i] = can_go_on[--count];
            if (!accepting && count == 0) break;
        }
    }
    if (close(listenfd) == -1) die("close");
    close_clients(&clients);
    if (close(epfd) == -1) die("close");
    free(can_go_on);
}
