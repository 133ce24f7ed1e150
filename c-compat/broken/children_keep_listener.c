/* Forked; each child keeps the listening socket open. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    if (signal(SIGCHLD, SIG_IGN) == SIG_ERR) die("signal");
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        pid_t childpid = fork();
        switch (childpid) {
        case -1: report_errno("fork"); break;
        case 0:
            /* The fault: listenfd is not closed. */
            serve(connfd);
            _exit(0);
        default: child_started(childpid);
        }
        (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
    end_children();
}
