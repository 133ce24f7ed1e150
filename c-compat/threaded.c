/* TCP Fibonacci Service - Threaded */

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

/* Set before the first thread is made, and only read from then on. */
static unsigned long max_n;

static void *serve_client(void *argument)
{
    int connfd = (int)(intptr_t)argument;
    handle_request(connfd, max_n);
    close_connected(connfd);
    return NULL;
}

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "threaded", SOCK_STREAM, TAKES_MAX_N);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, 5) == -1) die("listen");
    pthread_attr_t attr;
    if ((errno = pthread_attr_init(&attr)) != 0) die("pthread_attr_init");
    if ((errno = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED)) != 0) die("pthread_attr_setdetachstate");
    if ((errno = pthread_attr_setstacksize(&attr, stack_size())) != 0) die("pthread_attr_setstacksize");
    max_n = options.max_n;
    ready("threaded", listenfd);

    for (;;) {
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        int connfd = accept(listenfd, (struct sockaddr *)&cliaddr, &clilen);
        if (connfd == -1) {
            if (stopping) break;
            if (survive("accept")) pause_a_while();
            continue;
        }
        connected(connfd);
        /* The descriptor itself is the argument: memory that is freed in a new thread has the
           allocator set itself up there, which costs more than the client. */
        pthread_t thread;
        if ((errno = pthread_create(&thread, &attr, serve_client, (void *)(intptr_t)connfd)) != 0) {
            /* No thread to be had: this client is closed, the server goes on. */
            report_errno("pthread_create");
            close_connected(connfd);
        }
    }
    if (close(listenfd) == -1) die("close");
    end_connected();
}
