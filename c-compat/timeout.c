/* (Non-)Blocking I/O: solution B, timeouts */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "timeout", SOCK_STREAM, TAKES_MAX_N | TAKES_DEFER_ACCEPT | TAKES_TIMEOUT);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (options.defer_accept > 0
        && setsockopt(listenfd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &options.defer_accept, sizeof(int)) == -1)
        die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, 5) == -1) die("listen");
    ready("timeout", listenfd);

    for (;;) {
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        int connfd = accept(listenfd, (struct sockaddr *)&cliaddr, &clilen);
        if (connfd == -1) {
            if (stopping) break;
            if (survive("accept")) pause_a_while();
            continue;
        }
        /* Not on the listening socket, which would hand them on: accept() would time out as well. */
        struct timeval *timeout = &options.timeout;
        if (setsockopt(connfd, SOL_SOCKET, SO_RCVTIMEO, timeout, sizeof *timeout) == -1
            || setsockopt(connfd, SOL_SOCKET, SO_SNDTIMEO, timeout, sizeof *timeout) == -1) {
            /* Nobody is served without a limit. */
            report_errno("setsockopt");
        } else {
            serving(connfd);
            handle_request(connfd, options.max_n);
            served();
        }
        (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
}
