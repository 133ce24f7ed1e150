/* TCP Fibonacci Service - Preforked, Mutex */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

/* Takes the mutex, also from a child that has died with it. */
static void lock(pthread_mutex_t *mutex)
{
    errno = pthread_mutex_lock(mutex);
    if (errno == EOWNERDEAD) {
        if ((errno = pthread_mutex_consistent(mutex)) != 0) die("pthread_mutex_consistent");
    } else if (errno != 0) {
        die("pthread_mutex_lock");
    }
}

static int serve_clients(int listenfd, pthread_mutex_t *mutex, struct options options)
{
    for (;;) {
        lock(mutex);
        /* No signal ends the wait for the mutex. */
        if (stopping) {
            if ((errno = pthread_mutex_unlock(mutex)) != 0) die("pthread_mutex_unlock");
            break;
        }
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        int connfd = accept(listenfd, (struct sockaddr *)&cliaddr, &clilen);
        int accept_errno = errno;
        if ((errno = pthread_mutex_unlock(mutex)) != 0) die("pthread_mutex_unlock");
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
    if (close(listenfd) == -1) die("close");
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "preforked_mutex", SOCK_STREAM,
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
    pthread_mutexattr_t attr;
    if ((errno = pthread_mutexattr_init(&attr)) != 0) die("pthread_mutexattr_init");
    if ((errno = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED)) != 0)
        die("pthread_mutexattr_setpshared");
    if ((errno = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST)) != 0)
        die("pthread_mutexattr_setrobust");
    pthread_mutex_t *mutex =
        mmap(NULL, sizeof *mutex, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mutex == MAP_FAILED) die("mmap");
    if ((errno = pthread_mutex_init(mutex, &attr)) != 0) die("pthread_mutex_init");
    ready("preforked_mutex", listenfd);

    hold_signals();
    while (lacks_worker(options.workers)) {
        pid_t childpid = fork();
        switch (childpid) {
        /* No process to be had: it is tried again after a while. */
        case -1: report_errno("fork"); break;
        /* The child. */
        case 0: worker(); return serve_clients(listenfd, mutex, options);
        /* The parent. */
        default: child_started(childpid);
        }
    }
    if (close(listenfd) == -1) die("close");
    end_children();
}
