/* Forked; the first child that ends while it waits for a client ends it. */

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

static void reap(int signum)
{
    int saved = errno;
    (void)signum;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    errno = saved;
}

int main(int argc, char **argv)
{
    struct sigaction act = {.sa_handler = reap};
    if (sigaction(SIGCHLD, &act, NULL) == -1) die("sigaction");
    int listenfd = listening(argc, argv);
    for (;;) {
        int connfd = accept(listenfd, NULL, NULL);
        if (connfd == -1) {
            if (stopping) break;
            /* The fault: a handler without SA_RESTART interrupts accept(), which is no failure. */
            if (errno == EINTR) die("accept");
            if (survive("accept")) pause_a_while();
            continue;
        }
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
