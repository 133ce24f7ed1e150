/* Iterative; a client that is gone before it is accepted ends it. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        /* The fault: who was connected once need not be connected any more (ENOTCONN). */
        if (getpeername(connfd, (struct sockaddr *)&cliaddr, &clilen) == -1) die("getpeername");
        serve(connfd);
    }
    if (close(listenfd) == -1) die("close");
}
