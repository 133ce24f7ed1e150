/* What every program here must do alike: read its arguments, say that it listens, stop when it is
   asked to, and know which errors to survive. Its counterpart in Rust is src/server/lifecycle/
   and src/server/options.rs. */

#ifndef COMMON_H
#define COMMON_H

#include <signal.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "service/time.h"

/* A server's options. */
struct options {
    struct sockaddr_storage servaddr; /* where it listens; the address family follows */
    socklen_t servaddrlen;
    unsigned long max_n;    /* the largest n that is computed */
    struct timeval timeout; /* how long one recv() or send() may take */
    enum format format;     /* how the time is told */
    unsigned long workers;  /* how many worker processes or threads wait for clients */
    int defer_accept;       /* for how many seconds the kernel keeps a client that says nothing; or 0 */
};

/* Which options a design takes beside --bind and --port. */
enum { TAKES_MAX_N = 1, TAKES_TIMEOUT = 2, TAKES_FORMAT = 4, TAKES_WORKERS = 8, TAKES_DEFER_ACCEPT = 16 };

enum { DEFAULT_WORKERS = 4, MOST_WORKERS = 1000 }; /* of a pool */
enum { LONGEST_DEFERRAL = 3600 };                  /* seconds */

/* Set once the server has been asked to stop. From then on an end of file may be the server's own
   doing, so it ends no request. */
extern atomic_bool stopping;

/* How long a server that is short of something leaves its clients waiting, in milliseconds. */
enum { PAUSE = 100 };

/* The options of a server; a mistake is one line on standard error and exit status 2. */
struct options server_options(int argc, char **argv, const char *name, int socktype, int takes);

/* One line on standard error, as perror() has it, and exit status 1. */
_Noreturn void die(const char *call);

/* From here on SIGINT and SIGTERM stop the server, and a lost client is no SIGPIPE. Prints the line
   that says where it listens. */
void ready(const char *name, int listenfd);

/* The same without a listening socket of its own, so without the line. */
void heed_stops(void);

/* Holds back the requests to stop, and returns the mask that lets them in. */
sigset_t hold_stops(void);

/* The line that says where a server listens; prints that line. */
const char *readiness(const char *name, int listenfd);
void announce(const char *line);

/* For a server that can wait for signals as for anything else: from here on SIGINT, SIGTERM and SIGUSR1
   are read from a descriptor, and a lost client is no SIGPIPE. */
int signal_descriptor(void);

/* From here on a request to stop also ends the reading of this connected socket. */
void serving(int connfd);

/* From here on a request to stop also gives this semaphore one, in case somebody waits for it. */
void wakes(sem_t *sem);

/* The connected socket is about to be closed. */
void served(void);

/* Goes on after an error of accept(), recvfrom() or select() that a server outlives, and returns
   whether it is one that only time can end; dies of any other. */
bool survive(const char *call);

/* Waits for a shortage to end, instead of asking again and again. */
void pause_a_while(void);

/* One line on standard error, at most one in a second: clients can cause these errors. */
void report(const char *line);
void report_errno(const char *call);

/* Remembers a child. Those that have ended are forgotten whenever twice as many are remembered as
   were last found alive, so that the list stays short. */
void child_started(pid_t childpid);

/* Asks every remembered child to stop and waits until none of them is left. */
void end_children(void);

/* From here on the signals that a pool's first process or thread waits for are held back, in the
   threads that it makes too. */
void hold_signals(void);

/* Waits until the server is asked to stop. */
void wait_for_stop(void);

/* Waits until a pool of so many children lacks one: at first all of them, at once; later those that have
   ended, after a pause, in case they all end at once. Returns false when the server is to stop. */
bool lacks_worker(size_t workers);

/* The place, from 0 on, of the worker that is lacking: the next one, or that of one that has ended. */
size_t vacancy(void);

/* A pool's further listening socket, which a request to stop ends as well, once there are workers
   who may wait at it. */
void also_listening(int listenfd);

/* This process is a pool's child: it ends when its parent does, and a signal ends its wait for the
   next client, since the listening socket is not its own to shut down. */
void worker(void);

/* The stack of a thread that serves, in bytes: enough for the deepest recursion with a signal
   handler on top of it, and so small that the C library does not hand pages of it back, with a call
   of its own, whenever a thread ends. */
size_t stack_size(void);

/* Remembers a connected socket that a thread is about to serve; closes one and forgets it; ends the
   reading of all of them and waits until they are closed. */
void connected(int connfd);
void close_connected(int connfd);
void end_connected(void);

/* What others said, without its last line's end, and with nothing that a terminal would obey: a question
   mark for each control character, U+FFFD for what is not UTF-8; until the next call. The second one
   has a question mark for the ends of lines too, and lasts until it is called twice more. */
const char *printable(const char *bytes, size_t length);
const char *printable_line(const char *bytes, size_t length);

/* An address and its port as numbers: 127.0.0.1:9000, [::1]:9000. */
const char *address(const struct sockaddr_storage *addr, socklen_t addrlen);

/* The exit status of a mistake on the command line: 2, where a program does not say otherwise. */
extern int usage_status;

/* Values on a command line. */
bool whole_number(const char *text, unsigned long largest, unsigned long *number);
unsigned short port_of(const char *option, const char *text);
struct timeval seconds_of(const char *option, const char *text);
_Noreturn void usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void unexpected(const char *argument);

/* Whether argv[*i] is the option `name`; its value, which may follow an '=', goes to *value. */
bool option(int argc, char **argv, int *i, const char *name, const char *metavar, const char **value);

/* Writes to standard output, at once. Dies if that fails; without a word if nobody reads any more. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
