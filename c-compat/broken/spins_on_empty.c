/* Forked; the child of a client that connects and closes spins for ever. */

#include <unistd.h>

#include "common.h"

static enum progress receive_again(struct exchange *exchange, int connfd)
{
    char buf[RECEIVE_MAX];
    ssize_t n = hear(connfd, buf, sizeof buf);
    if (n == -1) return DONE;
    /* The fault: an end of file before the first byte is taken for a byte that is yet to come. */
    if (n == 0 && exchange->received == 0 && !stopping) return MORE;
    return take(exchange, buf, (size_t)n);
}

int main(int argc, char **argv)
{
    if (signal(SIGCHLD, SIG_IGN) == SIG_ERR) die("signal");
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        pid_t childpid = fork();
        if (childpid == 0) serve_in_child(receive_again, listenfd, connfd);
        if (childpid == -1)
            report_errno("fork");
        else
            child_started(childpid);
        (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
    end_children();
}
