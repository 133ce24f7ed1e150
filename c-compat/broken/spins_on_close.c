/* Iterative; a client that closes in the middle of its request has it spin for ever. */

#include "common.h"

static enum progress receive_again(struct exchange *exchange, int connfd)
{
    char buf[RECEIVE_MAX];
    ssize_t n = hear(connfd, buf, sizeof buf);
    if (n == -1) return DONE;
    /* The fault: an end of file where a newline should be is taken for a byte that is yet to come. */
    if (n == 0 && exchange->received > 0 && !stopping) return MORE;
    return take(exchange, buf, (size_t)n);
}

int main(int argc, char **argv)
{
    return serve_all_by(receive_again, listening(argc, argv));
}
