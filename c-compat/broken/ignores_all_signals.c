/* Iterative; nothing but SIGKILL stops it. */

#include "common.h"

static void arrange(void)
{
    /* The fault: every signal is ignored that can be. */
    for (int signum = 1; signum < SIGRTMAX; signum++)
        (void)signal(signum, SIG_IGN);
}

int main(int argc, char **argv)
{
    return serve_all(listening_after(argc, argv, arrange));
}
