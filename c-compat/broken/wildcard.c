/* Iterative, and open to every network that the machine is in. */

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct options options = arguments(argc, argv, SOCK_STREAM);
    /* The fault: the wildcard address, whatever --bind says. */
    struct sockaddr_in any = {
        .sin_family = AF_INET,
        .sin_port = ((struct sockaddr_in *)&options.servaddr)->sin_port,
        .sin_addr.s_addr = htonl(INADDR_ANY),
    };
    options.servaddrlen = sizeof any;
    *(struct sockaddr_in *)&options.servaddr = any;
    return serve_all(listening_at(&options));
}
