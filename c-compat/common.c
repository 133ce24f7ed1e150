#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "service/fibonacci.h"

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

/* ---- the command line ---- */

_Noreturn void usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("error: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

_Noreturn void unexpected(const char *argument)
{
    /* An option without its value: what the word says up to an '=', or a letter. */
    size_t shown = strlen(argument);
    if (strncmp(argument, "--", 2) == 0)
        shown = strcspn(argument, "=");
    else if (argument[0] == '-' && shown > 2)
        shown = 2;
    usage("unexpected argument '%.*s' found", (int)shown, argument);
}

bool option(int argc, char **argv, int *i, const char *name, const char *metavar, const char **value)
{
    size_t length = strlen(name);
    const char *argument = argv[*i];
    if (strncmp(argument, name, length) != 0) return false;
    if (argument[length] == '=') {
        *value = argument + length + 1;
        return true;
    }
    if (argument[length] != '\0') return false;
    if (*i + 1 == argc) usage("a value is required for '%s <%s>' but none was supplied", name, metavar);
    *value = argv[++*i];
    return true;
}

static bool whole_number(const char *text, unsigned long largest, unsigned long *number)
{
    char *end;
    errno = 0;
    *number = strtoul(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number <= largest;
}

unsigned short port_of(const char *option, const char *text)
{
    unsigned long port;
    if (!whole_number(text, 65535, &port))
        usage("invalid value '%s' for '%s': a port is a number from 0 to 65535", text, option);
    return (unsigned short)port;
}

struct timeval seconds_of(const char *option, const char *text)
{
    char *end;
    double microseconds = strtod(text, &end) * 1e6;
    bool decimal = strspn(text, "+-.0123456789Ee") == strlen(text);
    if (!decimal || end == text || *end != '\0' || !(microseconds >= 1.0 && microseconds <= 1e15))
        usage("invalid value '%s' for '%s': a time is a number of seconds greater than 0, such as 0.5",
              text, option);
    long whole = (long)microseconds;
    struct timeval timeout = {.tv_sec = whole / 1000000, .tv_usec = whole % 1000000};
    return timeout;
}

static enum format format_of(const char *text)
{
    if (strcmp(text, "human") == 0) return HUMAN;
    if (strcmp(text, "iso8601") == 0) return ISO8601;
    if (strcmp(text, "daytime") == 0) return DAYTIME;
    if (strcmp(text, "time") == 0) return TIME;
    usage("invalid value '%s' for '--format <F>': a format is human, iso8601, daytime or time", text);
}

static const char *name_of(int taken)
{
    switch (taken) {
    case TAKES_MAX_N: return "--max-n";
    case TAKES_TIMEOUT: return "--timeout";
    case TAKES_FORMAT: return "--format";
    case TAKES_WORKERS: return "--workers";
    default: return "--defer-accept";
    }
}

static void help(const char *name, int takes)
{
    say("The C twin of `socklab serve %s`.\n\nUsage: %s [--bind ADDR] [--port N]%s%s%s%s%s\n", name, name,
        takes & TAKES_MAX_N ? " [--max-n N]" : "", takes & TAKES_TIMEOUT ? " [--timeout S]" : "",
        takes & TAKES_FORMAT ? " [--format F]" : "", takes & TAKES_WORKERS ? " [--workers N]" : "",
        takes & TAKES_DEFER_ACCEPT ? " [--defer-accept S]" : "");
    exit(0);
}

/* The server's address, for errors. */
static struct sockaddr_storage servaddr;
static socklen_t servaddrlen;

struct options server_options(int argc, char **argv, const char *name, int socktype, int takes)
{
    struct options options = {
        .max_n = DEFAULT_MAX_N, .timeout = {.tv_sec = 5}, .format = HUMAN, .workers = DEFAULT_WORKERS};
    const char *host = "127.0.0.1";
    unsigned short port = 9000;
    for (int i = 1; i < argc; i++) {
        const char *value;
        int took = 0;
        if (strcmp(argv[i], "--") == 0 && i + 1 == argc) {
            break;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help(name, takes);
        } else if (option(argc, argv, &i, "--bind", "ADDR", &value)) {
            host = value;
        } else if (option(argc, argv, &i, "--port", "N", &value)) {
            port = port_of("--port <N>", value);
        } else if (option(argc, argv, &i, "--max-n", "N", &value)) {
            took = TAKES_MAX_N;
            if (!whole_number(value, LARGEST_N, &options.max_n))
                usage("invalid value '%s' for '--max-n <N>': the largest n is a number from 0 to %d", value,
                      LARGEST_N);
        } else if (option(argc, argv, &i, "--timeout", "S", &value)) {
            took = TAKES_TIMEOUT;
            options.timeout = seconds_of("--timeout <S>", value);
        } else if (option(argc, argv, &i, "--format", "F", &value)) {
            took = TAKES_FORMAT;
            options.format = format_of(value);
        } else if (option(argc, argv, &i, "--workers", "N", &value)) {
            took = TAKES_WORKERS;
            if (!whole_number(value, MOST_WORKERS, &options.workers) || options.workers == 0)
                usage("invalid value '%s' for '--workers <N>': a number of workers is from 1 to %d", value,
                      MOST_WORKERS);
        } else if (option(argc, argv, &i, "--defer-accept", "S", &value)) {
            took = TAKES_DEFER_ACCEPT;
            unsigned long seconds;
            if (!whole_number(value, LONGEST_DEFERRAL, &seconds) || seconds == 0)
                usage("invalid value '%s' for '--defer-accept <S>': a number of seconds is from 1 to %d", value,
                      LONGEST_DEFERRAL);
            options.defer_accept = (int)seconds;
        } else {
            unexpected(argv[i]);
        }
        if ((took & takes) != took)
            usage("'%s' does nothing in the design %s", name_of(took), name);
    }

    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = socktype};
    struct addrinfo *answers;
    int error = getaddrinfo(host, service, &hints, &answers);
    if (error != 0) {
        fprintf(stderr, "getaddrinfo: %s (%s)\n", error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error),
                host);
        exit(1);
    }
    memcpy(&options.servaddr, answers->ai_addr, answers->ai_addrlen);
    options.servaddrlen = answers->ai_addrlen;
    freeaddrinfo(answers);
    servaddr = options.servaddr;
    servaddrlen = options.servaddrlen;
    return options;
}

/* ---- errors ---- */

/* An address and its port as numbers: 127.0.0.1:9000, [::1]:9000. */
static const char *address(const struct sockaddr_storage *addr, socklen_t addrlen)
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
    /* A signal, or a client that is gone already. */
    case EINTR:
    case EAGAIN:
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

/* ---- stopping ---- */

/* A request to stop (SIGINT, SIGTERM) becomes an end of file on every socket that a server may be
   blocked in: the handler shuts the listening and the connected socket down for reading. A call
   that is blocked there returns, and so does one that is only about to block, so there is no moment
   at which the signal is lost; and what is being computed can still be sent. On Linux accept() on
   such a socket fails with EINVAL, and select() calls it readable. */

/* Atomic, since a signal is handled in any thread; lock-free, so that the handler may use them. */
atomic_bool stopping;
static atomic_int server = -1;
static atomic_int listenfd_to_end = -1;
static atomic_int connfd_to_end = -1;
static sem_t *_Atomic awaited;

static void end_of_file(int fd)
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

static sigset_t stops(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

static void handle_stops(int flags)
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

static int listenfds[MOST_WORKERS];
static size_t listenfds_count;

void also_listening(int listenfd)
{
    listenfds[listenfds_count++] = listenfd;
}

struct child {
    pid_t pid;
    size_t place; /* in a pool, which of the workers it is, from 0 on */
};

static struct child *children;
static size_t children_count, children_room;

/* The places of a pool's workers that have ended. */
static size_t vacated[MOST_WORKERS];
static size_t vacated_count;

static void make_room(size_t room)
{
    children_room = room;
    children = realloc(children, room * sizeof *children);
    if (children == NULL) die("realloc");
}

/* With SIGCHLD ignored, a child that has ended is nobody's child. */
static bool is_our_child(pid_t child)
{
    return waitpid(child, NULL, WNOHANG) == 0;
}

void child_started(pid_t childpid)
{
    if (children_count == children_room) {
        size_t alive = 0;
        for (size_t i = 0; i < children_count; i++)
            if (is_our_child(children[i].pid)) children[alive++] = children[i];
        children_count = alive;
        make_room(alive + (alive > 64 ? alive : 64));
    }
    children[children_count] = (struct child){.pid = childpid, .place = vacancy()};
    children_count++;
    if (vacated_count > 0) vacated_count--;
}

void end_children(void)
{
    /* From here on a child that ends keeps its id until it is waited for, so that no signal can hit
       a stranger. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR) die("signal");
    for (size_t i = 0; i < children_count; i++)
        /* Ours and not waited for, so it can only succeed. */
        if (is_our_child(children[i].pid)) (void)kill(children[i].pid, SIGTERM);
    for (size_t i = 0; i < children_count; i++)
        /* Fails with EINTR when a signal comes, and with ECHILD when there is nobody to wait for. */
        while (waitpid(children[i].pid, NULL, 0) == -1 && errno == EINTR) {
        }
}

/* ---- pools ---- */

static sigset_t waited_for(void)
{
    sigset_t set = stops();
    sigaddset(&set, SIGCHLD);
    return set;
}

void hold_signals(void)
{
    /* Ignored, a child that ends would send no signal. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR) die("signal");
    sigset_t set = waited_for();
    if (sigprocmask(SIG_BLOCK, &set, NULL) == -1) die("sigprocmask");
}

static void stop_all(void)
{
    stopping = true;
    /* First the children learn it, so that they know why accept() fails. */
    for (size_t i = 0; i < children_count; i++)
        /* Ours and not waited for, so it can only succeed. */
        (void)kill(children[i].pid, SIGTERM);
    end_of_file(atomic_exchange(&listenfd_to_end, -1));
    while (listenfds_count > 0)
        end_of_file(listenfds[--listenfds_count]);
}

/* Waits for one of the signals that are held back. A request to stop is obeyed as the handler would:
   the listening socket is shut down, in all that share it. */
static void next_signal(void)
{
    int signum;
    sigset_t set = waited_for();
    if ((errno = sigwait(&set, &signum)) != 0) die("sigwait");
    if (signum != SIGCHLD) stop_all();
}

void wait_for_stop(void)
{
    while (!stopping)
        next_signal();
}

/* Forgets the workers that have ended, but not their places, and returns how many are left. */
static size_t forget_ended(size_t workers)
{
    /* Room for all, so that child_started() forgets nobody. */
    if (children_room < workers) make_room(workers);
    pid_t childpid;
    while ((childpid = waitpid(-1, NULL, WNOHANG)) > 0) {
        for (size_t i = 0; i < children_count; i++) {
            if (children[i].pid != childpid) continue;
            vacated[vacated_count++] = children[i].place;
            children[i] = children[--children_count];
            break;
        }
    }
    return children_count;
}

bool lacks_worker(size_t workers)
{
    static size_t started;
    while (!stopping) {
        if (forget_ended(workers) == workers) {
            next_signal();
        } else if (started++ < workers) {
            return true;
        } else {
            struct timespec pause = {.tv_nsec = PAUSE * 1000000};
            sigset_t set = stops();
            if (sigtimedwait(&set, NULL, &pause) == -1) return true;
            stop_all();
        }
    }
    return false;
}

size_t vacancy(void)
{
    return vacated_count > 0 ? vacated[vacated_count - 1] : children_count;
}

void worker(void)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) die("prctl");
    if (getppid() != server) _exit(0);
    handle_stops(0);
    sigset_t set = waited_for();
    if (sigprocmask(SIG_UNBLOCK, &set, NULL) == -1) die("sigprocmask");
}

size_t stack_size(void)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    const size_t enough = 256 * 1024; /* a sanitizer's own frames need more */
#else
    const size_t enough = 20 * 1024;
#endif
    size_t least = (size_t)PTHREAD_STACK_MIN;
    return least > enough ? least : enough;
}

/* ---- threads' connected sockets ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t none_connected = PTHREAD_COND_INITIALIZER;
static int *connfds;
static size_t connfds_count, connfds_room;

void connected(int connfd)
{
    pthread_mutex_lock(&lock);
    if (connfds_count == connfds_room) {
        connfds_room = connfds_room == 0 ? 64 : 2 * connfds_room;
        connfds = realloc(connfds, connfds_room * sizeof *connfds);
        if (connfds == NULL) die("realloc");
    }
    connfds[connfds_count++] = connfd;
    if (stopping) end_of_file(connfd);
    pthread_mutex_unlock(&lock);
}

void close_connected(int connfd)
{
    pthread_mutex_lock(&lock);
    size_t i = 0;
    while (connfds[i] != connfd)
        i++;
    connfds[i] = connfds[--connfds_count];
    /* Closed under the lock, so that the number in the list is never another socket's. */
    (void)close(connfd);
    if (connfds_count == 0 && stopping) pthread_cond_broadcast(&none_connected);
    pthread_mutex_unlock(&lock);
}

void end_connected(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < connfds_count; i++)
        end_of_file(connfds[i]);
    while (connfds_count > 0)
        pthread_cond_wait(&none_connected, &lock);
    pthread_mutex_unlock(&lock);
}
