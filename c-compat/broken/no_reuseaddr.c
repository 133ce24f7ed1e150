/* Iterative, and for a minute after its last client its port can't be had again. */

#include "common.h"

int main(int argc, char **argv)
{
    struct options options = arguments(argc, argv, SOCK_STREAM);
    const struct sockaddr *servaddr = (const struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    /* The fault: no SO_REUSEADDR. */
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, SOMAXCONN) == -1) die("listen");
    ready(name(), listenfd);
    return serve_all(listenfd);
}
