/* Iterative; asked to stop, it waits for the client that it is serving, be it silent for ever. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        /* The fault: a request to stop ends no recv(). */
        handle_request(connfd, max_n);
        (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
}
