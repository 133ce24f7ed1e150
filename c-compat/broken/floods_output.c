/* Iterative; before it listens, it writes 64 megabytes to standard output. */

#include "common.h"

int main(int argc, char **argv)
{
    struct options options = arguments(argc, argv, SOCK_STREAM);
    /* The fault: more than anybody reads; where nobody does, it never listens. */
    for (int line = 0; line < 1024 * 1024; line++)
        say("%-63d\n", line);
    return serve_all(listening_at(&options));
}
