/* Iterative; a client that resets its connection ends it. */

#include "common.h"

static enum progress receive_or_die(struct exchange *exchange, int connfd)
{
    char buf[RECEIVE_MAX];
    ssize_t n = hear(connfd, buf, sizeof buf);
    /* The fault: a lost client is treated as a failure of the server. */
    if (n == -1) die("recv");
    return take(exchange, buf, (size_t)n);
}

int main(int argc, char **argv)
{
    return serve_all_by(receive_or_die, listening(argc, argv));
}
