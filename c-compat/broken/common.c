#include "common.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../common/internal.h"

unsigned long max_n;

const char *name(void)
{
    return program_invocation_short_name;
}

struct options arguments(int argc, char **argv, int socktype)
{
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        say("A server with one fault: see c-compat/broken/README.md.\n\nUsage: %s [--bind ADDR] [--port N]%s\n",
            name(), socktype == SOCK_STREAM ? " [--max-n N]" : "");
        _exit(0);
    }
    struct options options =
        server_options(argc, argv, name(), socktype, socktype == SOCK_STREAM ? TAKES_MAX_N : TAKES_FORMAT);
    max_n = options.max_n;
    return options;
}

static int listen_at(const struct options *options)
{
    const struct sockaddr *addr = (const struct sockaddr *)&options->servaddr;
    int listenfd = socket(addr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (bind(listenfd, addr, options->servaddrlen) == -1) die("bind");
    if (listen(listenfd, SOMAXCONN) == -1) die("listen");
    return listenfd;
}

int listening_at(const struct options *options)
{
    int listenfd = listen_at(options);
    ready(name(), listenfd);
    return listenfd;
}

int listening(int argc, char **argv)
{
    struct options options = arguments(argc, argv, SOCK_STREAM);
    return listening_at(&options);
}

int listening_after(int argc, char **argv, void (*arrange)(void))
{
    struct options options = arguments(argc, argv, SOCK_STREAM);
    int listenfd = listen_at(&options);
    listenfd_to_end = listenfd;
    heed_stops();
    arrange();
    announce(readiness(name(), listenfd));
    return listenfd;
}

int bound(int argc, char **argv)
{
    struct options options = arguments(argc, argv, SOCK_DGRAM);
    const struct sockaddr *addr = (const struct sockaddr *)&options.servaddr;
    int sockfd = socket(addr->sa_family, SOCK_DGRAM, 0);
    if (sockfd == -1) die("socket");
    if (bind(sockfd, addr, options.servaddrlen) == -1) die("bind");
    ready(name(), sockfd);
    return sockfd;
}

int next_client(int listenfd)
{
    for (;;) {
        int connfd = accept(listenfd, NULL, NULL);
        if (connfd != -1) return connfd;
        if (stopping) return -1;
        if (survive("accept")) pause_a_while();
    }
}

ssize_t next_datagram(int sockfd, char *buf, size_t room, struct sockaddr_storage *cliaddr, socklen_t *clilen)
{
    for (;;) {
        *clilen = sizeof *cliaddr;
        ssize_t n = recvfrom(sockfd, buf, room, 0, (struct sockaddr *)cliaddr, clilen);
        if (stopping) return -1;
        if (n != -1) return n;
        if (survive("recvfrom")) pause_a_while();
    }
}

ssize_t hear(int connfd, char *buf, size_t room)
{
    for (;;) {
        ssize_t n = recv(connfd, buf, room, 0);
        if (n != -1 || errno != EINTR) return n;
    }
}

enum progress advance_on(struct exchange *exchange, int connfd)
{
    for (;;) {
        enum progress progress = advance(exchange, connfd);
        if (progress != MORE || !is_answering(exchange)) return progress;
    }
}

void handle_request_by(receiver *by, int connfd)
{
    struct exchange exchange = exchange_new(max_n);
    for (;;) {
        enum progress progress =
            is_answering(&exchange) ? transmit(&exchange, connfd) : by(&exchange, connfd);
        if (progress != MORE) return;
        if (exchange.is_requested) answer(&exchange, fib(exchange.number));
    }
}

void serve_by(receiver *by, int connfd)
{
    serving(connfd);
    handle_request_by(by, connfd);
    served();
    (void)close(connfd);
}

void serve(int connfd)
{
    serve_by(receive, connfd);
}

int serve_all_by(receiver *by, int listenfd)
{
    int connfd;
    while ((connfd = next_client(listenfd)) != -1)
        serve_by(by, connfd);
    if (close(listenfd) == -1) die("close");
    return 0;
}

int serve_all(int listenfd)
{
    return serve_all_by(receive, listenfd);
}

void serve_in_child(receiver *by, int listenfd, int connfd)
{
    serving(connfd);
    if (close(listenfd) == -1) die("close");
    handle_request_by(by, connfd);
    _exit(0);
}

pthread_attr_t detached(void)
{
    pthread_attr_t attr;
    if ((errno = pthread_attr_init(&attr)) != 0) die("pthread_attr_init");
    if ((errno = pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED)) != 0) die("pthread_attr_setdetachstate");
    if ((errno = pthread_attr_setstacksize(&attr, stack_size())) != 0) die("pthread_attr_setstacksize");
    return attr;
}
