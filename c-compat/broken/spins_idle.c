/* A non-blocking listening socket that is asked again and again, with the whole CPU. */

#include <fcntl.h>
#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv);
    if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    for (;;) {
        int connfd = accept(listenfd, NULL, NULL);
        if (connfd != -1) {
            serve(connfd);
            continue;
        }
        if (stopping) break;
        /* The fault: where nobody is waiting (EAGAIN), it does not wait either. */
        if (survive("accept")) pause_a_while();
    }
    if (close(listenfd) == -1) die("close");
}
