/* TCP Fibonacci Service - Forked */

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "forked", SOCK_STREAM, TAKES_MAX_N);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, 5) == -1) die("listen");
    if (signal(SIGCHLD, SIG_IGN) == SIG_ERR) die("signal"); /* no zombies */
    ready("forked", listenfd);

    for (;;) {
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        int connfd = accept(listenfd, (struct sockaddr *)&cliaddr, &clilen);
        if (connfd == -1) {
            if (stopping) break;
            if (survive("accept")) pause_a_while();
            continue;
        }
        pid_t childpid = fork();
        switch (childpid) {
        /* No process to be had: this client is closed, the server goes on. */
        case -1:
            report_errno("fork");
            (void)close(connfd);
            break;
        /* The child. Its end closes the connected socket. */
        case 0:
            serving(connfd);
            if (close(listenfd) == -1) die("close");
            handle_request(connfd, options.max_n);
            _exit(0);
        /* The parent. */
        default:
            child_started(childpid);
            (void)close(connfd);
        }
    }
    if (close(listenfd) == -1) die("close");
    end_children();
}
