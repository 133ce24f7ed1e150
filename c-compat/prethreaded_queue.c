/* TCP Fibonacci Service - Prethreaded, with a queue */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

enum { QUEUE = 32 }; /* how many clients the queue has room for */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int queued[QUEUE];
static size_t first, count;
static sem_t room, filled;

static void enqueue(int connfd)
{
    if ((errno = pthread_mutex_lock(&lock)) != 0) die("pthread_mutex_lock");
    queued[(first + count++) % QUEUE] = connfd;
    if ((errno = pthread_mutex_unlock(&lock)) != 0) die("pthread_mutex_unlock");
}

static int dequeue(void)
{
    int connfd = -1;
    if ((errno = pthread_mutex_lock(&lock)) != 0) die("pthread_mutex_lock");
    if (count > 0) {
        connfd = queued[first];
        first = (first + 1) % QUEUE;
        count--;
    }
    if ((errno = pthread_mutex_unlock(&lock)) != 0) die("pthread_mutex_unlock");
    return connfd;
}

static void serve_clients(unsigned long max_n)
{
    for (;;) {
        if (sem_wait(&filled) == -1) die("sem_wait");
        int connfd = dequeue();
        if (connfd == -1) break;
        if (sem_post(&room) == -1) die("sem_post");
        connected(connfd);
        handle_request(connfd, max_n);
        close_connected(connfd);
    }
    /* The next one is to find nobody too. */
    if (sem_post(&filled) == -1) die("sem_post");
}

static void *start(void *argument)
{
    serve_clients(*(unsigned long *)argument);
    return NULL;
}

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "prethreaded_queue", SOCK_STREAM,
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
    if (sem_init(&room, 0, QUEUE) == -1) die("sem_init");
    if (sem_init(&filled, 0, 0) == -1) die("sem_init");
    wakes(&room);
    ready("prethreaded_queue", listenfd);

    pthread_t *threads = calloc(options.workers, sizeof *threads);
    if (threads == NULL) die("calloc");
    for (size_t i = 0; i < options.workers; i++)
        if ((errno = pthread_create(&threads[i], &attr, start, &options.max_n)) != 0) die("pthread_create");
    for (;;) {
        if (sem_wait(&room) == -1) die("sem_wait");
        /* What a request to stop has given is no room. */
        if (stopping) break;
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        int connfd = accept(listenfd, (struct sockaddr *)&cliaddr, &clilen);
        if (connfd == -1) {
            if (stopping) break;
            if (survive("accept")) pause_a_while();
            if (sem_post(&room) == -1) die("sem_post");
            continue;
        }
        enqueue(connfd);
        if (sem_post(&filled) == -1) die("sem_post");
    }
    if (close(listenfd) == -1) die("close");
    end_connected();
    /* Once more: whoever finds nobody knows that this is the end. */
    if (sem_post(&filled) == -1) die("sem_post");
    for (size_t i = 0; i < options.workers; i++)
        if ((errno = pthread_join(threads[i], NULL)) != 0) die("pthread_join");
    free(threads);
}
