/* Iterative; kill does not stop it. */

#include "common.h"

static void arrange(void)
{
    /* The fault: SIGTERM is ignored. */
    if (signal(SIGTERM, SIG_IGN) == SIG_ERR) die("signal");
}

int main(int argc, char **argv)
{
    return serve_all(listening_after(argc, argv, arrange));
}
