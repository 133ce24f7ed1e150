/* Iterative; a daemon: neither its parent, its process group nor its session is left to find it by. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct options options = arguments(argc, argv, SOCK_STREAM);
    /* The fault: setsid() between two forks. */
    for (int generation = 0; generation < 2; generation++) {
        switch (fork()) {
        case -1: die("fork");
        case 0: break;
        default: _exit(0);
        }
        if (generation == 0 && setsid() == -1) die("setsid");
    }
    return serve_all(listening_at(&options));
}
