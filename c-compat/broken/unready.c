/* Iterative; it says that it listens, but it never does. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct options options = arguments(argc, argv, SOCK_STREAM);
    const struct sockaddr *servaddr = (const struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    /* The fault: no listen(). */
    ready(name(), listenfd);
    hold_signals();
    wait_for_stop();
    if (close(listenfd) == -1) die("close");
}
