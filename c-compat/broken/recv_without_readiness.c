/* select; but when one socket is ready, it asks all of them. */

#include <fcntl.h>
#include <sys/select.h>
#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), maxfd = listenfd;
    if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    static struct exchange exchanges[FD_SETSIZE];
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
            /* The fault: whether this one is ready (FD_ISSET) is not looked at. */
            if (!FD_ISSET(fd, &all)) continue;
            if (fd != listenfd) {
                /* An answer has always room in the buffer of a new connection. */
                if (advance_on(&exchanges[fd], fd) != DONE) continue;
                FD_CLR(fd, &all);
                (void)close(fd);
                continue;
            }
            int connfd = accept4(listenfd, NULL, NULL, SOCK_NONBLOCK);
            if (connfd == -1) {
                if (!stopping && survive("accept4")) pause_a_while();
            } else if (connfd >= FD_SETSIZE) {
                (void)close(connfd);
            } else {
                exchanges[connfd] = exchange_new(max_n);
                FD_SET(connfd, &all);
                if (connfd > maxfd) maxfd = connfd;
            }
        }
    }
    if (close(listenfd) == -1) die("close");
}
