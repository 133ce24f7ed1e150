/* TCP Fibonacci Service - inetd */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

/* The first descriptor that systemd hands over. */
enum { SD_LISTEN_FDS_START = 3 };

/* The socket that the process was started with: the one that LISTEN_FDS names, if LISTEN_PID says
   that it is for us, or the one that standard input and output both are. Or -1. Several are refused: whoever
   asks at the others would wait for ever. */
static int given(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    char our_pid[16];
    snprintf(our_pid, sizeof our_pid, "%d", getpid());
    if (pid != NULL && strcmp(pid, our_pid) == 0 && !(fds != NULL && strcmp(fds, "0") == 0)) {
        if (fds != NULL && strcmp(fds, "1") == 0) return SD_LISTEN_FDS_START;
        errno = EINVAL;
        die("LISTEN_FDS");
    }
    uint64_t input, output;
    socklen_t length = sizeof input;
    if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_COOKIE, &input, &length) == -1) return -1;
    if (getsockopt(STDOUT_FILENO, SOL_SOCKET, SO_COOKIE, &output, &length) == -1) return -1;
    return input == output ? STDIN_FILENO : -1;
}

static _Noreturn void serve_client(int connfd, struct options options)
{
    serving(connfd);
    handle_request(connfd, options.max_n);
    _exit(0);
}

/* The listening socket is the super-server's too, so that no signal may shut it down: signals are let
   in while nobody is served only in pselect(), and end it. */
static int serve_clients(int listenfd, struct options options)
{
    int flags = fcntl(listenfd, F_GETFL, 0);
    if (flags == -1 || fcntl(listenfd, F_SETFL, flags | O_NONBLOCK) == -1) die("fcntl");
    sigset_t mask = hold_stops();
    while (!stopping) {
        fd_set rset;
        FD_ZERO(&rset);
        FD_SET(listenfd, &rset);
        (void)pselect(listenfd + 1, &rset, NULL, NULL, NULL, &mask);
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        int connfd = accept(listenfd, (struct sockaddr *)&cliaddr, &clilen);
        if (connfd == -1) {
            if (survive("accept")) pause_a_while();
            continue;
        }
        if (sigprocmask(SIG_SETMASK, &mask, NULL) == -1) die("sigprocmask");
        serving(connfd);
        handle_request(connfd, options.max_n);
        served();
        (void)close(connfd);
        hold_stops();
    }
    if (fcntl(listenfd, F_SETFL, flags) == -1) die("fcntl");
    return 0;
}

/* This program again, for one client, which is its standard input and output. A request to stop that
   comes from here on is kept for it. */
static _Noreturn void become_server(int connfd, struct options options)
{
    hold_stops();
    if (stopping) _exit(0);
    if (dup2(connfd, STDIN_FILENO) == -1) die("dup2");
    if (dup2(connfd, STDOUT_FILENO) == -1) die("dup2");
    if (close(connfd) == -1) die("close");
    char max_n[24];
    snprintf(max_n, sizeof max_n, "%lu", options.max_n);
    char *argv[] = {(char[]){"inetd"}, (char[]){"--max-n"}, max_n, NULL};
    execv("/proc/self/exe", argv);
    die("execv");
}

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "inetd", SOCK_STREAM, TAKES_MAX_N);
    int fd = given();
    if (fd != -1) {
        int is_listening;
        socklen_t length = sizeof is_listening;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &length) == -1) die("getsockopt");
        heed_stops();
        if (!is_listening) serve_client(fd, options);
        return serve_clients(fd, options);
    }

    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, SOMAXCONN) == -1) die("listen");
    if (signal(SIGCHLD, SIG_IGN) == SIG_ERR) die("signal"); /* no zombies */
    ready("inetd", listenfd);
    for (;;) {
        struct sockaddr_storage cliaddr;
        socklen_t clilen = sizeof cliaddr;
        int connfd = accept(listenfd, (struct sockaddr *)&cliaddr, &clilen);
        if (connfd == -1) {
            if (stopping) break;
            if (survive("accept")) pause_a_while();
            continue;
        }
        pid_t childpid = fork();
        switch (childpid) {
        /* No process to be had: this client is closed, the server goes on. */
        case -1:
            report_errno("fork");
            (void)close(connfd);
            break;
        /* The child. */
        case 0:
            if (close(listenfd) == -1) die("close");
            become_server(connfd, options);
        /* The parent. */
        default:
            child_started(childpid);
            (void)close(connfd);
        }
    }
    if (close(listenfd) == -1) die("close");
    end_children();
}
