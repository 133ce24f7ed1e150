/* TCP Fibonacci Service - Preforked */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

static int serve_clients(int listenfd, struct options options)
{
    while (!stopping) {
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        int connfd = accept(listenfd, (struct sockaddr *)&cliaddr, &clilen);
        if (connfd == -1) {
            if (stopping) break;
            if (survive("accept")) pause_a_while();
            continue;
        }
        serving(connfd);
        handle_request(connfd, options.max_n);
        served();
        (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "preforked", SOCK_STREAM,
                                            TAKES_MAX_N | TAKES_WORKERS | TAKES_DEFER_ACCEPT);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (options.defer_accept > 0
        && setsockopt(listenfd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &options.defer_accept, sizeof(int)) == -1)
        die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, SOMAXCONN) == -1) die("listen");
    ready("preforked", listenfd);

    hold_signals();
    while (lacks_worker(options.workers)) {
        pid_t childpid = fork();
        switch (childpid) {
        /* No process to be had: it is tried again after a while. */
        case -1: report_errno("fork"); break;
        /* The child. */
        case 0: worker(); return serve_clients(listenfd, options);
        /* The parent. */
        default: child_started(childpid);
        }
    }
    if (close(listenfd) == -1) die("close");
    end_children();
}
