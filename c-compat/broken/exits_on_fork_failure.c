/* Forked; having no process left ends it. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    if (signal(SIGCHLD, SIG_IGN) == SIG_ERR) die("signal");
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        pid_t childpid = fork();
        /* The fault: one client that can't be served ends the service for all. */
        if (childpid == -1) die("fork");
        if (childpid == 0) serve_in_child(receive, listenfd, connfd);
        child_started(childpid);
        (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
    end_children();
}
