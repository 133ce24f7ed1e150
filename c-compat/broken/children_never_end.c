/* Forked; a child that has served its client stays. */

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
            if (close(listenfd) == -1) die("close");
            serve(connfd);
            if (signal(SIGTERM, SIG_DFL) == SIG_ERR) die("signal");
            /* The fault: it waits for more, and only a signal ends it. */
            while (!stopping)
                pause();
            _exit(0);
        default: child_started(childpid);
        }
        (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
    end_children();
}
