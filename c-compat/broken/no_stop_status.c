/* Iterative; having been asked to stop, it says that it has failed. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv);
    for (;;) {
        int connfd = accept(listenfd, NULL, NULL);
        if (connfd == -1) {
            /* The fault: the end of the listening socket, which a stop brings about, is an error here. */
            if (survive("accept")) pause_a_while();
            continue;
        }
        serve(connfd);
    }
}
