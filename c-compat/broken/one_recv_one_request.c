/* Iterative; it takes what one recv() brings for the whole request. */

#include "common.h"

static enum progress receive_once(struct exchange *exchange, int connfd)
{
    enum progress progress = receive(exchange, connfd);
    if (progress == DONE || is_answering(exchange) || exchange->is_requested || exchange->received == 0) return progress;
    /* The fault: TCP has no messages; a request may come in pieces. */
    return take(exchange, "\n", 1);
}

int main(int argc, char **argv)
{
    return serve_all_by(receive_once, listening(argc, argv));
}
