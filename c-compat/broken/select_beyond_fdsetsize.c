/* select; a descriptor from 1024 on is put where no set is, and its client is never heard. */

/* So that the C library does not end the program where the fault begins. */
#undef _FORTIFY_SOURCE

#include <fcntl.h>
#include <sys/select.h>
#include <unistd.h>

#include "common.h"

enum { ROOM = 16 }; /* in sets: whoever writes beyond the first one writes here */

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv);
    if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    static struct exchange exchanges[FD_SETSIZE];
    static fd_set all[ROOM];
    FD_SET(listenfd, all);
    while (!stopping) {
        fd_set rset = all[0];
        if (select(FD_SETSIZE, &rset, NULL, NULL, NULL) == -1) {
            if (survive("select")) pause_a_while();
            continue;
        }
        for (int fd = 0; fd < FD_SETSIZE && !stopping; fd++) {
            if (!FD_ISSET(fd, &rset)) continue;
            if (fd != listenfd) {
                /* An answer has always room in the buffer of a new connection. */
                if (advance_on(&exchanges[fd], fd) != DONE) continue;
                FD_CLR(fd, all);
                (void)close(fd);
                continue;
            }
            int connfd = accept4(listenfd, NULL, NULL, SOCK_NONBLOCK);
            if (connfd == -1) {
                if (!stopping && survive("accept4")) pause_a_while();
                continue;
            }
            if (connfd < FD_SETSIZE) exchanges[connfd] = exchange_new(max_n);
            volatile int careless = connfd;
            /* The fault: FD_SET() without a look at FD_SETSIZE. */
            if (careless < ROOM * FD_SETSIZE) FD_SET(careless, all);
        }
    }
    if (close(listenfd) == -1) die("close");
}
