/* Forked; it computes what takes centuries. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    if (signal(SIGCHLD, SIG_IGN) == SIG_ERR) die("signal");
    int listenfd = listening(argc, argv), connfd;
    /* The fault: any n whose Fibonacci number has room in the answer. */
    max_n = LARGEST_N;
    while ((connfd = next_client(listenfd)) != -1) {
        pid_t childpid = fork();
        if (childpid == 0) serve_in_child(receive, listenfd, connfd);
        if (childpid == -1)
            report_errno("fork");
        else
            child_started(childpid);
        (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
    end_children();
}
