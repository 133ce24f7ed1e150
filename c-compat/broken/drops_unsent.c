/* epoll, persistent; what send() does not take of an answer is lost. */

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../table.h"
#include "lines.h"

struct client {
    bool is_connected;
    struct conversation conversation;
};

static void advance_client(struct table *clients, int connfd)
{
    struct client *client = entry(clients, connfd);
    struct conversation *conversation = &client->conversation;
    enum progress progress = hear_line(conversation, connfd);
    if (conversation->length > 0) progress = say_line(conversation, connfd);
    /* The fault: a send() that has taken a part, or nothing, counts as one that has taken all. */
    conversation->length = 0;
    if (progress != DONE) return;
    client->is_connected = false;
    (void)close(connfd);
}

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), epfd = epoll_create1(0);
    if (epfd == -1) die("epoll_create1");
    if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listenfd};
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, listenfd, &event) == -1) die("epoll_ctl");
    struct table clients = table_new(sizeof(struct client));
    while (!stopping) {
        int nready = epoll_wait(epfd, &event, 1, -1);
        if (nready == -1) {
            if (survive("epoll_wait")) pause_a_while();
            continue;
        }
        if (event.data.fd != listenfd) {
            advance_client(&clients, event.data.fd);
            continue;
        }
        int connfd = accept4(listenfd, NULL, NULL, SOCK_NONBLOCK);
        event = (struct epoll_event){.events = EPOLLIN, .data.fd = connfd};
        if (connfd == -1) {
            if (!stopping && survive("accept")) pause_a_while();
        } else if (epoll_ctl(epfd, EPOLL_CTL_ADD, connfd, &event) == -1) {
            report_errno("epoll_ctl");
            (void)close(connfd);
        } else {
            *(struct client *)entry(&clients, connfd) = (struct client){true, conversation_new()};
        }
    }
    if (close(listenfd) == -1) die("close");
    for (int connfd = 0; connfd < descriptors(&clients); connfd++)
        if (((struct client *)entry(&clients, connfd))->is_connected) (void)close(connfd);
    table_free(&clients);
    if (close(epfd) == -1) die("close");
}
