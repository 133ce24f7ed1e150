/* Iterative; it listens, but not where it was told to. */

#include <netinet/in.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct options options = arguments(argc, argv, SOCK_STREAM);
    /* The fault: whatever --port says, the kernel chooses. */
    ((struct sockaddr_in *)&options.servaddr)->sin_port = 0;
    return serve_all(listening_at(&options));
}
