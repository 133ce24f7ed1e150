/* Iterative; it ends before it listens. */

#include <fcntl.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct options options = arguments(argc, argv, SOCK_STREAM);
    /* The fault: it wants a file that is not there. */
    if (open("exits_at_once.conf", O_RDONLY) == -1) die("open exits_at_once.conf");
    return serve_all(listening_at(&options));
}
