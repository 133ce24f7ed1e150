/* Iterative; having no descriptor left ends it. */

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
            /* The fault: a shortage that would pass is treated as a failure. */
            if (errno == EMFILE) die("accept");
            if (survive("accept")) pause_a_while();
            continue;
        }
        serve(connfd);
    }
    if (close(listenfd) == -1) die("close");
}
