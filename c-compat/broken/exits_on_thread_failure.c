/* Threaded; having no thread left ends it. */

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
    pthread_attr_t attr = detached();
    while ((connfd = next_client(listenfd)) != -1) {
        connected(connfd);
        pthread_t thread;
        /* The fault: one client that can't be served ends the service for all. */
        if ((errno = pthread_create(&thread, &attr, serve_client, (void *)(intptr_t)connfd)) != 0)
            die("pthread_create");
    }
    if (close(listenfd) == -1) die("close");
    end_connected();
}
