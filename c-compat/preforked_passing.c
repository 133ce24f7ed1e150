/* TCP Fibonacci Service - Preforked, Descriptor Passing */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

struct child {
    int pipefd;
    bool is_free;
};

static struct child *children;
static size_t count;

static bool is_free(void)
{
    for (size_t i = 0; i < count; i++)
        if (children[i].is_free) return true;
    return false;
}

/* In milliseconds. */
static long now(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) == -1) die("clock_gettime");
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Room for one descriptor. */
union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

static void hand_over(int connfd)
{
    for (size_t i = 0; i < count;) {
        if (!children[i].is_free) {
            i++;
            continue;
        }
        char byte = 0;
        struct iovec iov = {.iov_base = &byte, .iov_len = 1};
        union control control = {.room = {0}};
        struct msghdr msg = {
            .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_len = CMSG_LEN(sizeof connfd);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(cmsg), &connfd, sizeof connfd);
        if (sendmsg(children[i].pipefd, &msg, 0) != -1) {
            children[i].is_free = false;
            break;
        }
        /* It has ended, or ends now that its socket is closed: another one takes the client. */
        (void)close(children[i].pipefd);
        children[i] = children[--count];
    }
}

/* A connected socket from the parent, and 1; or 0 when the parent has closed its end, be it with
   something unread; or -1. */
static int take_over(int pipefd, int *connfd)
{
    char byte;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    union control control;
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(pipefd, &msg, 0);
    if (n == -1 && errno == ECONNRESET) return 0;
    if (n <= 0) return (int)n;
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    if (cmsg == NULL) {
        /* MSG_CTRUNC: this process has no descriptor left, and the client is gone. */
        errno = EMFILE;
        return -1;
    }
    memcpy(connfd, CMSG_DATA(cmsg), sizeof *connfd);
    return 1;
}

static int serve_clients(int pipefd, struct options options)
{
    while (!stopping) {
        int connfd = -1;
        int taken = take_over(pipefd, &connfd);
        if (taken == 1) {
            serving(connfd);
            handle_request(connfd, options.max_n);
            served();
            (void)close(connfd);
        } else if (taken == 0) {
            break;
        } else {
            if (!survive("recvmsg")) continue;
            pause_a_while();
        }
        /* Free again. The parent may be gone. */
        if (write(pipefd, "", 1) == -1) break;
    }
    if (close(pipefd) == -1) die("close");
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "preforked_passing", SOCK_STREAM,
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
    if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    if (signal(SIGCHLD, SIG_IGN) == SIG_ERR) die("signal"); /* no zombies */
    ready("preforked_passing", listenfd);

    children = calloc(options.workers, sizeof *children);
    struct pollfd *fds = calloc(options.workers + 1, sizeof *fds);
    if (children == NULL || fds == NULL) die("calloc");
    long due = 0;
    for (;;) {
        /* All that are lacking, and the next ones a pause later, in case they all end at once. */
        bool is_due = count < options.workers && now() >= due;
        if (is_due) due = now() + PAUSE;
        while (is_due && count < options.workers) {
            int sv[2];
            if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == -1) {
                report_errno("socketpair");
                break;
            }
            pid_t childpid = fork();
            if (childpid == -1) {
                /* No process to be had: it is tried again after a while. */
                report_errno("fork");
                (void)close(sv[0]);
                (void)close(sv[1]);
                break;
            }
            if (childpid == 0) {
                /* The child. With a copy of another child's socket it would keep that one alive. */
                worker();
                if (close(listenfd) == -1) die("close");
                if (close(sv[0]) == -1) die("close");
                for (size_t i = 0; i < count; i++)
                    if (close(children[i].pipefd) == -1) die("close");
                free(children);
                free(fds);
                return serve_clients(sv[1], options);
            }
            /* The parent. */
            child_started(childpid);
            children[count++] = (struct child){.pipefd = sv[0], .is_free = true};
            if (close(sv[1]) == -1) die("close");
        }
        fds[0] = (struct pollfd){.fd = listenfd, .events = is_free() ? POLLIN : 0};
        for (size_t i = 0; i < count; i++)
            fds[i + 1] = (struct pollfd){.fd = children[i].pipefd, .events = POLLIN};
        int nready = poll(fds, count + 1, count < options.workers ? PAUSE : -1);
        if (nready == -1) {
            if (survive("poll")) pause_a_while();
            continue;
        }
        /* Backwards: the last child takes the place of one that has ended. */
        for (size_t i = count; i-- > 0;) {
            if (fds[i + 1].revents != 0) {
                char byte;
                if (read(children[i].pipefd, &byte, 1) == 1) {
                    children[i].is_free = true;
                } else {
                    (void)close(children[i].pipefd);
                    children[i] = children[--count];
                }
            }
        }
        if (fds[0].revents != 0 && (is_free() || stopping)) {
            struct sockaddr_storage cliaddr;
            socklen_t clilen = sizeof cliaddr;
            int connfd = accept(listenfd, (struct sockaddr *)&cliaddr, &clilen);
            if (connfd != -1) {
                hand_over(connfd);
                (void)close(connfd);
            } else if (stopping) {
                break;
            } else if (survive("accept")) {
                pause_a_while();
            }
        }
    }
    if (close(listenfd) == -1) die("close");
    /* The end of file: a child that is about to wait for the next client ends. */
    for (size_t i = 0; i < count; i++)
        (void)close(children[i].pipefd);
    free(children);
    free(fds);
    end_children();
}
