/* TCP Fibonacci Service - Preforked, File Lock */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

/* Takes the lock of the whole file, however long, or gives it up. */
static int lock(int lockfd, short l_type)
{
    struct flock lock = {.l_type = l_type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    return fcntl(lockfd, F_SETLKW, &lock);
}

static int serve_clients(int listenfd, int lockfd, struct options options)
{
    while (!stopping) {
        if (lock(lockfd, F_WRLCK) == -1) {
            if (survive("fcntl")) pause_a_while();
            continue;
        }
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        int connfd = accept(listenfd, (struct sockaddr *)&cliaddr, &clilen);
        int accept_errno = errno;
        if (lock(lockfd, F_UNLCK) == -1) die("fcntl");
        if (connfd == -1) {
            errno = accept_errno;
            if (stopping) break;
            if (survive("accept")) pause_a_while();
            continue;
        }
        serving(connfd);
        handle_request(connfd, options.max_n);
        served();
        (void)close(connfd);
    }
    if (close(lockfd) == -1) die("close");
    if (close(listenfd) == -1) die("close");
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "preforked_fcntl", SOCK_STREAM,
                                            TAKES_MAX_N | TAKES_WORKERS | TAKES_DEFER_ACCEPT);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (options.defer_accept > 0
        && setsockopt(listenfd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &options.defer_accept, sizeof(int)) == -1)
        die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, SOMAXCONN) == -1) die("listen");
    /* A file that needs no folder: somewhere to write to is not to be had everywhere. */
    int lockfd = memfd_create("accept", 0);
    if (lockfd == -1) die("memfd_create");
    ready("preforked_fcntl", listenfd);

    hold_signals();
    while (lacks_worker(options.workers)) {
        pid_t childpid = fork();
        switch (childpid) {
        /* No process to be had: it is tried again after a while. */
        case -1: report_errno("fork"); break;
        /* The child. */
        case 0: worker(); return serve_clients(listenfd, lockfd, options);
        /* The parent. */
        default: child_started(childpid);
        }
    }
    if (close(listenfd) == -1) die("close");
    if (close(lockfd) == -1) die("close");
    end_children();
}
