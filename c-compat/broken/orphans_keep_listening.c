/* Preforked; it ends, and its workers go on: the port stays taken. */

#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct options options = arguments(argc, argv, SOCK_STREAM);
    const struct sockaddr *servaddr = (const struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, SOMAXCONN) == -1) die("listen");
    heed_stops();
    hold_signals();
    announce(readiness(name(), listenfd));

    unsigned long count = 0;
    int signum = 0;
    while (signum != SIGINT && signum != SIGTERM) {
        while (count < options.workers) {
            pid_t childpid = fork();
            if (childpid == 0) {
                sigset_t none;
                sigemptyset(&none);
                if (signal(SIGINT, SIG_DFL) == SIG_ERR || signal(SIGTERM, SIG_DFL) == SIG_ERR) die("signal");
                if (sigprocmask(SIG_SETMASK, &none, NULL) == -1) die("sigprocmask");
                return serve_all(listenfd);
            }
            if (childpid != -1)
                count++;
            else
                pause_a_while();
        }
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGCHLD);
        (void)sigwait(&set, &signum);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            count--;
    }
    /* The fault: nobody tells the workers. */
    return 0;
}
