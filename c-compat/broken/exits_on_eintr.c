/* Iterative; a signal ends it. */

#include <errno.h>
#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv);
    for (;;) {
        int connfd = accept(listenfd, NULL, NULL);
        if (connfd == -1) {
            if (stopping) break;
            /* The fault: a call that is only to be made again is treated as a failure. */
            if (errno == EINTR) die("accept");
            if (survive("accept")) pause_a_while();
            continue;
        }
        serve(connfd);
    }
    if (close(listenfd) == -1) die("close");
}
