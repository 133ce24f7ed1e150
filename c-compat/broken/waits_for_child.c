/* Forked; but it waits for the child before it accepts the next client. */

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        pid_t childpid = fork();
        if (childpid == 0) serve_in_child(receive, listenfd, connfd);
        if (childpid == -1) report_errno("fork");
        /* Of a request to stop the child learns by the end of this file, which both have. */
        serving(connfd);
        /* The fault: one client at a time, in spite of the processes. */
        while (childpid > 0 && waitpid(childpid, NULL, 0) == -1 && errno == EINTR)
            continue;
        served();
        (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
}
