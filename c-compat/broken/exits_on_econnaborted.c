/* Iterative; a client that has given up before accept() ends it. */

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
            /* The fault: a client's trouble is treated as a failure of the server. */
            if (errno == ECONNABORTED) die("accept");
            if (survive("accept")) pause_a_while();
            continue;
        }
        serve(connfd);
    }
    if (close(listenfd) == -1) die("close");
}
