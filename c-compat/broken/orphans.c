/* Forked; it ends, and the children of its silent clients stay. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    if (signal(SIGCHLD, SIG_IGN) == SIG_ERR) die("signal");
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        pid_t childpid = fork();
        if (childpid == 0) serve_in_child(receive, listenfd, connfd);
        if (childpid == -1) report_errno("fork");
        (void)close(connfd);
    }
    /* The fault: nobody tells the children. */
    if (close(listenfd) == -1) die("close");
}
