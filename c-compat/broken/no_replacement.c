/* Preforked; a worker that dies is missed by nobody. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct options options = arguments(argc, argv, SOCK_STREAM);
    int listenfd = listening_at(&options);
    hold_signals();
    for (unsigned long i = 0; i < options.workers; i++) {
        pid_t childpid = fork();
        switch (childpid) {
        case -1: report_errno("fork"); break;
        case 0: worker(); return serve_all(listenfd);
        default: child_started(childpid);
        }
    }
    /* The fault: a worker's end is not heard of. */
    if (signal(SIGCHLD, SIG_IGN) == SIG_ERR) die("signal");
    wait_for_stop();
    if (close(listenfd) == -1) die("close");
    end_children();
}
