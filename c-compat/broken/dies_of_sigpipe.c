/* Iterative; its answer to a client that is gone is its last one. */

#include "common.h"

static void arrange(void)
{
    /* The fault: SIGPIPE ends the process, which is C's default. */
    if (signal(SIGPIPE, SIG_DFL) == SIG_ERR) die("signal");
}

int main(int argc, char **argv)
{
    return serve_all(listening_after(argc, argv, arrange));
}
