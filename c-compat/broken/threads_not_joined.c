/* Threaded; each thread leaves its stack behind. */

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include "common.h"

static void *serve_client(void *argument)
{
    int connfd = (int)(intptr_t)argument;
    handle_request(connfd, max_n);
    close_connected(connfd);
    return NULL;
}

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        connected(connfd);
        pthread_t thread;
        /* The fault: the thread is neither joined nor detached. */
        if ((errno = pthread_create(&thread, NULL, serve_client, (void *)(intptr_t)connfd)) == 0) continue;
        report_errno("pthread_create");
        close_connected(connfd);
    }
    if (close(listenfd) == -1) die("close");
    end_connected();
}
