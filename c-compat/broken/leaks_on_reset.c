/* Iterative; a client that resets its connection costs it a descriptor for ever. */

#include <unistd.h>

#include "common.h"

static bool is_reset;

static enum progress receive_or_note(struct exchange *exchange, int connfd)
{
    char buf[RECEIVE_MAX];
    ssize_t n = hear(connfd, buf, sizeof buf);
    is_reset = n == -1;
    return is_reset ? DONE : take(exchange, buf, (size_t)n);
}

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        serving(connfd);
        handle_request_by(receive_or_note, connfd);
        served();
        /* The fault: whose recv() fails is not closed. */
        if (!is_reset) (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
}
