/* Start and stop. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "internal.h"

/* A request to stop (SIGINT, SIGTERM) becomes an end of file on every socket that a server may be
   blocked in: the handler shuts the listening and the connected socket down for reading. A call
   that is blocked there returns, and so does one that is only about to block, so there is no moment
   at which the signal is lost; and what is being computed can still be sent. On Linux accept() on
   such a socket fails with EINVAL, and select() calls it readable. */

/* Atomic, since a signal is handled in any thread; lock-free, so that the handler may use them. */
atomic_bool stopping;
atomic_int server = -1;
atomic_int listenfd_to_end = -1;
static atomic_int connfd_to_end = -1;
static sem_t *_Atomic awaited;

void end_of_file(int fd)
{
    /* Fails on a UDP socket, which is not connected, and ends its reading all the same. */
    if (fd != -1) (void)shutdown(fd, SHUT_RD);
}

static void stop(int signum)
{
    (void)signum;
    int saved = errno;
    stopping = true;
    /* A child shares the parent's listening socket, which is not the child's to shut down. */
    if (getpid() == server) end_of_file(atomic_exchange(&listenfd_to_end, -1));
    end_of_file(atomic_exchange(&connfd_to_end, -1));
    sem_t *sem = awaited;
    /* It can only fail when it is as large as can be, and then nobody waits. */
    if (sem != NULL) (void)sem_post(sem);
    errno = saved;
}

sigset_t stops(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

void handle_stops(int flags)
{
    /* One at a time, so that a small stack has room for it. */
    struct sigaction act = {.sa_handler = stop, .sa_mask = stops(), .sa_flags = flags};
    if (sigaction(SIGINT, &act, NULL) == -1) die("sigaction");
    if (sigaction(SIGTERM, &act, NULL) == -1) die("sigaction");
}

void heed_stops(void)
{
    server = getpid();
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) die("signal");
    handle_stops(SA_RESTART);
    /* Whoever started the server may have held them back. */
    sigset_t set = stops();
    if (sigprocmask(SIG_UNBLOCK, &set, NULL) == -1) die("sigprocmask");
}

sigset_t hold_stops(void)
{
    sigset_t set = stops(), mask;
    if (sigprocmask(SIG_BLOCK, &set, &mask) == -1) die("sigprocmask");
    return mask;
}

void ready(const char *name, int listenfd)
{
    listenfd_to_end = listenfd;
    heed_stops();
    announce(readiness(name, listenfd));
}

const char *readiness(const char *name, int listenfd)
{
    static char line[128];
    struct sockaddr_storage addr;
    socklen_t addrlen = sizeof addr;
    if (getsockname(listenfd, (struct sockaddr *)&addr, &addrlen) == -1) die("getsockname");
    snprintf(line, sizeof line, "%s: listening on %s\n", name, address(&addr, addrlen));
    return line;
}

void announce(const char *line)
{
    if (write(STDOUT_FILENO, line, strlen(line)) == -1) die("write");
}

int signal_descriptor(void)
{
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) die("signal");
    sigset_t set = stops();
    sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1) die("sigprocmask");
    int sigfd = signalfd(-1, &set, 0);
    if (sigfd == -1) die("signalfd");
    return sigfd;
}

void serving(int connfd)
{
    connfd_to_end = connfd;
    if (stopping) end_of_file(connfd);
}

void wakes(sem_t *sem)
{
    awaited = sem;
}

void served(void)
{
    connfd_to_end = -1;
}
