/* Threaded; but it waits for the thread before it accepts the next client. */

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include "common.h"

static void *serve_client(void *argument)
{
    serve((int)(intptr_t)argument);
    return NULL;
}

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        pthread_t thread;
        if ((errno = pthread_create(&thread, NULL, serve_client, (void *)(intptr_t)connfd)) != 0) {
            report_errno("pthread_create");
            (void)close(connfd);
            continue;
        }
        /* The fault: one client at a time, in spite of the threads. */
        if ((errno = pthread_join(thread, NULL)) != 0) die("pthread_join");
    }
    if (close(listenfd) == -1) die("close");
}
