/* Iterative; a request that is no number ends it, as an exception does that nobody catches. */

#include <errno.h>

#include "common.h"

static enum progress receive_number(struct exchange *exchange, int connfd)
{
    enum progress progress = receive(exchange, connfd);
    if (is_answering(exchange) && (exchange->others > 0 || exchange->received == 0)) {
        /* The fault: a client's mistake is treated as one of the server's own. */
        errno = EINVAL;
        die("strtoul");
    }
    return progress;
}

int main(int argc, char **argv)
{
    return serve_all_by(receive_number, listening(argc, argv));
}
