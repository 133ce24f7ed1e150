/* Iterative; it goes on in the background, and the process that was started ends. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct options options = arguments(argc, argv, SOCK_STREAM);
    /* The fault: whoever has started it sees it end. */
    switch (fork()) {
    case -1: die("fork");
    case 0: break;
    default: _exit(0);
    }
    return serve_all(listening_at(&options));
}
