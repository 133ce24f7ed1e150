/* Iterative; asked to stop while it serves, it goes on. */

#include <errno.h>
#include <unistd.h>

#include "common.h"

static volatile sig_atomic_t asked;

static void on_stop(int signum)
{
    (void)signum;
    asked = 1;
}

static void arrange(void)
{
    struct sigaction action = {.sa_handler = on_stop};
    if (sigaction(SIGINT, &action, NULL) == -1 || sigaction(SIGTERM, &action, NULL) == -1) die("sigaction");
}

int main(int argc, char **argv)
{
    int listenfd = listening_after(argc, argv, arrange);
    for (;;) {
        /* The fault: a signal that came while a client was served is forgotten. */
        asked = 0;
        int connfd = accept(listenfd, NULL, NULL);
        if (connfd == -1) {
            if (asked) break;
            if (survive("accept")) pause_a_while();
            continue;
        }
        handle_request(connfd, max_n);
        (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
}
