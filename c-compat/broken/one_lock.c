/* Threaded; but only one thread computes at a time. */

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include "common.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static enum progress receive_and_compute(struct exchange *exchange, int connfd)
{
    enum progress progress = receive(exchange, connfd);
    if (!exchange->is_requested) return progress;
    /* The fault: a short request waits for a long one that has nothing to do with it. */
    pthread_mutex_lock(&lock);
    answer(exchange, fib(exchange->number));
    pthread_mutex_unlock(&lock);
    return progress;
}

static void *serve_client(void *argument)
{
    int connfd = (int)(intptr_t)argument;
    handle_request_by(receive_and_compute, connfd);
    close_connected(connfd);
    return NULL;
}

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), connfd;
    pthread_attr_t attr = detached();
    while ((connfd = next_client(listenfd)) != -1) {
        connected(connfd);
        pthread_t thread;
        if ((errno = pthread_create(&thread, &attr, serve_client, (void *)(intptr_t)connfd)) == 0) continue;
        report_errno("pthread_create");
        close_connected(connfd);
    }
    if (close(listenfd) == -1) die("close");
    end_connected();
}
