/* TCP Fibonacci Service - Prethreaded */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

static pthread_mutex_t accepting = PTHREAD_MUTEX_INITIALIZER;

struct worker {
    int listenfd;
    unsigned long max_n;
};

static void serve_clients(const struct worker *worker)
{
    while (!stopping) {
        if ((errno = pthread_mutex_lock(&accepting)) != 0) die("pthread_mutex_lock");
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        int connfd = accept(worker->listenfd, (struct sockaddr *)&cliaddr, &clilen);
        int accept_errno = errno;
        if ((errno = pthread_mutex_unlock(&accepting)) != 0) die("pthread_mutex_unlock");
        if (connfd == -1) {
            errno = accept_errno;
            if (stopping) break;
            if (survive("accept")) pause_a_while();
            continue;
        }
        connected(connfd);
        handle_request(connfd, worker->max_n);
        close_connected(connfd);
    }
}

static void *start(void *argument)
{
    serve_clients(argument);
    return NULL;
}

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "prethreaded", SOCK_STREAM,
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
    pthread_attr_t attr;
    if ((errno = pthread_attr_init(&attr)) != 0) die("pthread_attr_init");
    if ((errno = pthread_attr_setstacksize(&attr, stack_size())) != 0) die("pthread_attr_setstacksize");
    ready("prethreaded", listenfd);

    hold_signals();
    struct worker worker = {.listenfd = listenfd, .max_n = options.max_n};
    pthread_t *threads = calloc(options.workers, sizeof *threads);
    if (threads == NULL) die("calloc");
    for (size_t i = 0; i < options.workers; i++)
        if ((errno = pthread_create(&threads[i], &attr, start, &worker)) != 0) die("pthread_create");
    wait_for_stop();
    end_connected();
    for (size_t i = 0; i < options.workers; i++)
        if ((errno = pthread_join(threads[i], NULL)) != 0) die("pthread_join");
    free(threads);
    if (close(listenfd) == -1) die("close");
}
