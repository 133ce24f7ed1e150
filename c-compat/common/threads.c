/* The connected sockets of threads: a request to stop ends the reading of all of them. */

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

size_t stack_size(void)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    const size_t enough = 256 * 1024; /* a sanitizer's own frames need more */
#else
    const size_t enough = 20 * 1024;
#endif
    size_t least = (size_t)PTHREAD_STACK_MIN;
    return least > enough ? least : enough;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t none_connected = PTHREAD_COND_INITIALIZER;
static int *connfds;
static size_t connfds_count, connfds_room;

void connected(int connfd)
{
    pthread_mutex_lock(&lock);
    if (connfds_count == connfds_room) {
        connfds_room = connfds_room == 0 ? 64 : 2 * connfds_room;
        connfds = realloc(connfds, connfds_room * sizeof *connfds);
        if (connfds == NULL) die("realloc");
    }
    connfds[connfds_count++] = connfd;
    if (stopping) end_of_file(connfd);
    pthread_mutex_unlock(&lock);
}

void close_connected(int connfd)
{
    pthread_mutex_lock(&lock);
    size_t i = 0;
    while (connfds[i] != connfd)
        i++;
    connfds[i] = connfds[--connfds_count];
    /* Closed under the lock, so that the number in the list is never another socket's. */
    (void)close(connfd);
    if (connfds_count == 0 && stopping) pthread_cond_broadcast(&none_connected);
    pthread_mutex_unlock(&lock);
}

void end_connected(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < connfds_count; i++)
        end_of_file(connfds[i]);
    while (connfds_count > 0)
        pthread_cond_wait(&none_connected, &lock);
    pthread_mutex_unlock(&lock);
}
