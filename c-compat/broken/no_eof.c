/* Forked; its clients get their answers but never the end of the file. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    if (signal(SIGCHLD, SIG_IGN) == SIG_ERR) die("signal");
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        pid_t childpid = fork();
        switch (childpid) {
        case -1:
            report_errno("fork");
            (void)close(connfd);
            break;
        case 0: serve_in_child(receive, listenfd, connfd);
        /* The fault: the parent keeps the connected socket. */
        default: child_started(childpid);
        }
    }
    if (close(listenfd) == -1) die("close");
    end_children();
}
