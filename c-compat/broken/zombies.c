/* Forked; a child that has ended is waited for only when the server stops. */

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

enum { ROOM = 4096 };

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), connfd;
    static pid_t childpids[ROOM];
    size_t count = 0;
    while ((connfd = next_client(listenfd)) != -1) {
        /* The fault: SIGCHLD is neither ignored nor handled, so the children stay as zombies. */
        pid_t childpid = count < ROOM ? fork() : -1;
        if (childpid == 0) serve_in_child(receive, listenfd, connfd);
        if (childpid == -1)
            report_errno("fork");
        else
            childpids[count++] = childpid;
        (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
    for (size_t i = 0; i < count; i++) {
        (void)kill(childpids[i], SIGTERM);
        while (waitpid(childpids[i], NULL, 0) == -1 && errno == EINTR)
            continue;
    }
}
