/* I/O Multiplexing: select */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

static const char FULL[] = "error: no room: select() knows descriptors below 1024 only\n";

struct client {
    int connfd;
    struct exchange exchange;
};

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "select", SOCK_STREAM, TAKES_MAX_N);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, 5) == -1) die("listen");
    if (listenfd >= FD_SETSIZE) {
        errno = EMFILE;
        die("FD_SET");
    }
    if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    ready("select", listenfd);

    static struct client clients[FD_SETSIZE];
    size_t count = 0;
    bool is_short = false;
    for (;;) {
        fd_set rset, wset;
        FD_ZERO(&rset);
        FD_ZERO(&wset);
        int maxfd = listenfd;
        struct timeval timeout = {.tv_usec = PAUSE * 1000};
        if (!is_short) FD_SET(listenfd, &rset);
        for (size_t i = 0; i < count; i++) {
            struct client *client = &clients[i];
            fd_set *set = is_answering(&client->exchange) ? &wset : &rset;
            FD_SET(client->connfd, set);
            if (client->connfd > maxfd) maxfd = client->connfd;
        }
        /* Short of descriptors, new clients wait a while; the others do not. */
        int nready = select(maxfd + 1, &rset, &wset, NULL, is_short ? &timeout : NULL);
        if (nready == -1) {
            if (survive("select")) pause_a_while();
            continue;
        }
        is_short = false;
        size_t i = 0;
        while (i < count && !stopping) {
            struct client *client = &clients[i];
            bool is_ready = FD_ISSET(client->connfd, &rset) || FD_ISSET(client->connfd, &wset);
            if (is_ready && advance(&client->exchange, client->connfd) == DONE) {
                (void)close(client->connfd);
                clients[i] = clients[--count];
            } else {
                i++;
            }
        }
        if (FD_ISSET(listenfd, &rset)) {
            struct sockaddr_storage cliaddr;
            socklen_t clilen = sizeof cliaddr;
            int connfd = accept4(listenfd, (struct sockaddr *)&cliaddr, &clilen, SOCK_NONBLOCK);
            if (connfd >= FD_SETSIZE) {
                report("select: a client refused: its descriptor is not below 1024");
                /* Said once, to a socket whose buffer is empty; then it is closed. */
                (void)send(connfd, FULL, sizeof FULL - 1, 0);
                /* The end of file before the reset that closing makes of an unread request. */
                (void)shutdown(connfd, SHUT_WR);
                (void)close(connfd);
            } else if (connfd != -1) {
                struct exchange exchange = exchange_new(options.max_n);
                /* The request mostly comes right behind its connection. */
                if (advance(&exchange, connfd) == DONE)
                    (void)close(connfd);
                else
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
}
