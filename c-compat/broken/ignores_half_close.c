/* Iterative; whoever says that no request follows gets no answer to the one that was sent. */

#include "common.h"

static enum progress receive_and_look(struct exchange *exchange, int connfd)
{
    enum progress progress = receive(exchange, connfd);
    if (!exchange->is_requested) return progress;
    answer(exchange, fib(exchange->number));
    char byte;
    /* The fault: an end of file is taken for a client that is gone. */
    if (recv(connfd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) return DONE;
    return progress;
}

int main(int argc, char **argv)
{
    return serve_all_by(receive_and_look, listening(argc, argv));
}
