/* epoll, the listening socket edge-triggered; of clients that come at once only the first is served. */

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../clients.h"
#include "common.h"

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv);
    if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    int epfd = epoll_create1(0);
    if (epfd == -1) die("epoll_create1");
    struct epoll_event listening = {.events = EPOLLIN | EPOLLET, .data.fd = listenfd};
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, listenfd, &listening) == -1) die("epoll_ctl");

    struct clients clients = clients_new(max_n);
    struct epoll_event events[64];
    while (!stopping) {
        int nready = epoll_wait(epfd, events, 64, -1);
        if (nready == -1) {
            if (stopping) break;
            if (survive("epoll_wait")) pause_a_while();
        }
        for (int i = 0; i < nready && !stopping; i++) {
            if (events[i].data.fd != listenfd) {
                advance_client(&clients, epfd, events[i].data.fd);
                continue;
            }
            /* The fault: what else waits in the queue is not told of again. */
            int connfd = accept4(listenfd, NULL, NULL, SOCK_NONBLOCK);
            if (connfd != -1)
                serve_client(&clients, epfd, connfd);
            else if (!stopping && survive("accept4"))
                pause_a_while();
        }
    }
    if (close(listenfd) == -1) die("close");
    close_clients(&clients);
    if (close(epfd) == -1) die("close");
}
