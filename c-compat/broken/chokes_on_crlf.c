/* Iterative; refuses the line ends of netcat -C, telnet and Windows. */

#include <string.h>

#include "common.h"

static enum progress receive_strictly(struct exchange *exchange, int connfd)
{
    char buf[RECEIVE_MAX];
    ssize_t n = hear(connfd, buf, sizeof buf);
    if (n == -1) return DONE;
    enum progress progress = take(exchange, buf, (size_t)n);
    /* The fault: the carriage return before the newline belongs to the number. */
    if (exchange->is_requested && exchange->last == '\r') refuse(exchange, "not a decimal integer");
    return progress;
}

int main(int argc, char **argv)
{
    return serve_all_by(receive_strictly, listening(argc, argv));
}
