/* Iterative; what follows a request makes a reset of its connection's end. */

#include "common.h"

static enum progress receive_byte(struct exchange *exchange, int connfd)
{
    char byte;
    ssize_t n = hear(connfd, &byte, 1);
    if (n == -1) return DONE;
    /* The fault: nothing behind the newline is read, nor does an end of file go before the close. */
    return take(exchange, &byte, (size_t)n);
}

int main(int argc, char **argv)
{
    return serve_all_by(receive_byte, listening(argc, argv));
}
