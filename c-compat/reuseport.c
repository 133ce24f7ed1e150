/* I/O Multiplexing: SO_REUSEPORT */

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients.h"
#include "common.h"

static int serve_clients(int listenfd, struct options options)
{
    struct epoll_event listening = {.events = EPOLLIN, .data.fd = listenfd};
    struct epoll_event nothing = {.events = 0, .data.fd = listenfd};
    int epfd = epoll_create1(0);
    if (epfd == -1) die("epoll_create1");
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, listenfd, &listening) == -1) die("epoll_ctl");

    struct clients clients = clients_new(options.max_n);
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
            if (events[i].data.fd != listenfd) {
                advance_client(&clients, epfd, events[i].data.fd);
                continue;
            }
            struct sockaddr_storage cliaddr;
            socklen_t clilen = sizeof cliaddr;
            int connfd = accept4(listenfd, (struct sockaddr *)&cliaddr, &clilen, SOCK_NONBLOCK);
            if (connfd != -1) {
                serve_client(&clients, epfd, connfd);
            } else if (stopping) {
                break;
            } else {
                is_short = survive("accept4");
                if (is_short && epoll_ctl(epfd, EPOLL_CTL_MOD, listenfd, &nothing) == -1) die("epoll_ctl");
            }
        }
    }
    if (close(listenfd) == -1) die("close");
    close_clients(&clients);
    if (close(epfd) == -1) die("close");
    return 0;
}

int main(int argc, char **argv)
{
    struct options options =
        server_options(argc, argv, "reuseport", SOCK_STREAM, TAKES_MAX_N | TAKES_WORKERS);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int listenfds[MOST_WORKERS];
    for (size_t i = 0; i < options.workers; i++) {
        int listenfd = listenfds[i] = socket(servaddr->sa_family, SOCK_STREAM, 0);
        if (listenfd == -1) die("socket");
        if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
        /* The first takes the port as if it were alone; then the others share it. */
        if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEPORT, &(int){i > 0}, sizeof(int)) == -1) die("setsockopt");
        if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
        if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int)) == -1) die("setsockopt");
        if (listen(listenfd, SOMAXCONN) == -1) die("listen");
        if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
        /* Port 0 is any free one for the first, and for the others the one that it got. */
        if (getsockname(listenfd, servaddr, &options.servaddrlen) == -1) die("getsockname");
    }
    ready("reuseport", listenfds[0]);
    for (size_t i = 1; i < options.workers; i++)
        also_listening(listenfds[i]);

    hold_signals();
    while (lacks_worker(options.workers)) {
        size_t place = vacancy();
        pid_t childpid = fork();
        switch (childpid) {
        /* No process to be had: it is tried again after a while. */
        case -1: report_errno("fork"); break;
        /* The child. */
        case 0:
            worker();
            for (size_t i = 0; i < options.workers; i++)
                if (i != place && close(listenfds[i]) == -1) die("close");
            return serve_clients(listenfds[place], options);
        /* The parent. */
        default: child_started(childpid);
        }
    }
    for (size_t i = 0; i < options.workers; i++)
        if (close(listenfds[i]) == -1) die("close");
    end_children();
}
