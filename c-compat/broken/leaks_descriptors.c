/* Iterative; each client costs it a descriptor for ever. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        serving(connfd);
        handle_request(connfd, max_n);
        served();
        /* The fault: this ends the connection, but the descriptor is not closed. */
        (void)shutdown(connfd, SHUT_RDWR);
    }
    if (close(listenfd) == -1) die("close");
}
