/* select; but who is readable is served to the end, so half a request stops everybody. */

#include <fcntl.h>
#include <sys/select.h>
#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), maxfd = listenfd;
    if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    fd_set all;
    FD_ZERO(&all);
    FD_SET(listenfd, &all);
    while (!stopping) {
        fd_set rset = all;
        if (select(maxfd + 1, &rset, NULL, NULL, NULL) == -1) {
            if (survive("select")) pause_a_while();
            continue;
        }
        for (int fd = 0; fd <= maxfd && !stopping; fd++) {
            if (!FD_ISSET(fd, &rset)) continue;
            if (fd != listenfd) {
                /* The fault: readable is one byte; this waits for the whole line. */
                serve(fd);
                FD_CLR(fd, &all);
                continue;
            }
            int connfd = accept(listenfd, NULL, NULL);
            if (connfd == -1) {
                if (!stopping && survive("accept")) pause_a_while();
            } else if (connfd >= FD_SETSIZE) {
                (void)close(connfd);
            } else {
                FD_SET(connfd, &all);
                if (connfd > maxfd) maxfd = connfd;
            }
        }
    }
    if (close(listenfd) == -1) die("close");
}
