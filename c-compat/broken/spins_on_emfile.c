/* Iterative; having no descriptor left, it asks for one again and again, with the whole CPU. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv);
    for (;;) {
        int connfd = accept(listenfd, NULL, NULL);
        if (connfd == -1) {
            if (stopping) break;
            /* The fault: it does not wait for the shortage to end. */
            (void)survive("accept");
            continue;
        }
        serve(connfd);
    }
    if (close(listenfd) == -1) die("close");
}
