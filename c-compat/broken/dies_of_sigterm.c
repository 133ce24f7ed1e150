/* Iterative; SIGINT and SIGTERM end it in the middle of whatever it does. */

#include "common.h"

static void arrange(void)
{
    /* The fault: the signals are left as they are by default. */
    if (signal(SIGINT, SIG_DFL) == SIG_ERR || signal(SIGTERM, SIG_DFL) == SIG_ERR) die("signal");
}

int main(int argc, char **argv)
{
    return serve_all(listening_after(argc, argv, arrange));
}
