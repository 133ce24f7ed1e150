/* Which errors to survive, to pause on, to die of, and how to say so. */

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* As Rust's runtime does before main(): no socket takes the place of a standard descriptor that is
   closed, so that no error's line is sent to a client; and when nobody reads any more, write() says
   so. */
__attribute__((constructor)) static void start(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDWR) == -1) die("open");
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) die("signal");
}

void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vprintf(format, arguments);
    va_end(arguments);
    if (length >= 0 && fflush(stdout) == 0) return;
    if (errno == EPIPE) _exit(1);
    die("write");
}

const char *address(const struct sockaddr_storage *addr, socklen_t addrlen)
{
    static char text[NI_MAXHOST + NI_MAXSERV];
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getnameinfo((const struct sockaddr *)addr, addrlen, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return "an address of another family";
    snprintf(text, sizeof text, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    return text;
}

_Noreturn void die(const char *call)
{
    int error = errno;
    bool is_bind = strcmp(call, "bind") == 0;
    const char *remedy = NULL;
    const char *uring_remedy = NULL;
    /* Whether and why there is no io_uring is the kernel's or a sandbox's decision. */
    if (strcmp(call, "io_uring_setup") == 0 || strcmp(call, "io_uring_register") == 0) {
        if (error == EPERM || error == EACCES)
            uring_remedy = "forbidden by kernel.io_uring_disabled or by a container's filter: "
                           "allow it there or take another design";
        else if (error == ENOSYS)
            uring_remedy = "the kernel has no io_uring or a container's filter hides it: "
                           "allow it there or take another design";
        else if (error == EINVAL)
            uring_remedy = "what this design uses of io_uring came with Linux 6.1: take another design";
        else if (error == ENOMEM)
            uring_remedy = "its rings are locked memory: raise that limit, `ulimit -l`";
    }
    if ((is_bind || strcmp(call, "listen") == 0) && error == EADDRINUSE)
        remedy = "another socket has this port: stop its owner or take another --port";
    else if (is_bind && error == EACCES)
        remedy = "a port below 1024 needs privilege: take a --port from 1024 on";
    else if (is_bind && error == EADDRNOTAVAIL)
        remedy = "no interface here has this address: take another --bind";
    if (uring_remedy != NULL)
        fprintf(stderr, "%s: %s (%s)\n", call, strerror(error), uring_remedy);
    else if (remedy != NULL)
        fprintf(stderr, "%s: %s (%s; %s)\n", call, strerror(error), address(&servaddr, servaddrlen), remedy);
    else
        fprintf(stderr, "%s: %s\n", call, strerror(error));
    exit(1);
}

bool survive(const char *call)
{
    switch (errno) {
    /* A signal, a client that is gone already, or completions (io_uring) that are to be taken first. */
    case EINTR:
    case EAGAIN:
    case EBUSY:
    case ECONNABORTED:
    case ECONNREFUSED:
    case EPROTO: return false;
    /* A shortage, a firewall, or an error of the network on the new socket: it may last. */
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EPERM:
    case ENOSR:
    case ENOPROTOOPT:
    case EPROTONOSUPPORT:
    case ESOCKTNOSUPPORT:
    case EOPNOTSUPP:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ETIMEDOUT: report_errno(call); return true;
    default: die(call);
    }
}

void pause_a_while(void)
{
    /* Without descriptors poll() only waits; a signal ends it early. */
    (void)poll(NULL, 0, PAUSE);
}

void report(const char *line)
{
    static time_t last;
    time_t now = time(NULL);
    if (now == last) return;
    last = now;
    char text[256];
    int length = snprintf(text, sizeof text, "%s\n", line);
    /* There is nowhere to report that reporting failed. */
    if (write(STDERR_FILENO, text, (size_t)length) == -1) return;
}

void report_errno(const char *call)
{
    char line[256];
    snprintf(line, sizeof line, "%s: %s", call, strerror(errno));
    report(line);
}
