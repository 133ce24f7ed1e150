/* Threaded, persistent; of the requests that come together it answers the first. */

#include <errno.h>
#include <stdint.h>

#include "lines.h"

static void *serve_client(void *argument)
{
    int connfd = (int)(intptr_t)argument;
    struct conversation conversation = conversation_new();
    enum progress progress = MORE;
    while (progress != DONE) {
        char buf[RECEIVE_MAX];
        /* The fault: what stands behind the newline is received and forgotten. */
        ssize_t n = hear(connfd, buf, sizeof buf);
        progress = n == -1 ? DONE : take_line(&conversation, buf, (size_t)n);
        while (progress != DONE && conversation.length > 0)
            progress = say_line(&conversation, connfd);
    }
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
    end_connected();
}
