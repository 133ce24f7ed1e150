/* Iterative; a client that closes without having asked leaves its connection in CLOSE_WAIT. */

#include <unistd.h>

#include "common.h"

static bool is_lost;

static enum progress receive_or_leave(struct exchange *exchange, int connfd)
{
    enum progress progress = receive(exchange, connfd);
    is_lost = progress == DONE;
    return progress;
}

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        serving(connfd);
        handle_request_by(receive_or_leave, connfd);
        served();
        /* The fault: only a client that has been answered is closed. */
        if (!is_lost) (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
}
