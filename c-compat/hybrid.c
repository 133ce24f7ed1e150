/* Events and Threads: hybrid */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"
#include "table.h"

/* What the kernel gives back with an event: a client's descriptor, or one of these. */
#define LISTENING (1ull << 32)
#define SIGNALS (2ull << 32)
#define RESULTS (3ull << 32) /* the thread's number is added */

/* ---- the threads that compute, and the queue before them: pool.rs ---- */

/* From this n on a number is computed by the pool. */
enum { COSTLY = 20 };
enum { END = LARGEST_N + 1 }; /* ends a thread; no request */

/* A counter for the way there, a counter for the way back. 0 is nothing to read, so one is added. */
struct channel {
    int jobs;
    int results;
};

struct worker {
    pthread_t thread;
    struct channel channel;
    int client; /* whose number it computes, or -1 */
};

/* A client and the number that it asks for. */
struct job {
    int client;
    uint64_t n;
};

static struct {
    struct worker *workers;
    size_t count;
    size_t *idle;
    size_t idle_count;
    struct job *queue; /* a ring */
    size_t queue_room, queue_first, queue_count;
} pool;

static void put(int counter, uint64_t number)
{
    number++;
    if (write(counter, &number, sizeof number) == -1) die("write");
}

static uint64_t take_number(int counter)
{
    uint64_t number;
    while (read(counter, &number, sizeof number) == -1)
        if (errno != EINTR) die("read");
    return number - 1;
}

static void *compute(void *argument)
{
    const struct channel *channel = argument;
    put(channel->results, 0);
    uint64_t n;
    while ((n = take_number(channel->jobs)) != END)
        put(channel->results, fib(n));
    return NULL;
}

static void start_pool(size_t workers, int epfd)
{
    pthread_attr_t attr;
    if ((errno = pthread_attr_init(&attr)) != 0) die("pthread_attr_init");
    if ((errno = pthread_attr_setstacksize(&attr, stack_size())) != 0) die("pthread_attr_setstacksize");
    pool.workers = calloc(workers, sizeof *pool.workers);
    pool.idle = calloc(workers, sizeof *pool.idle);
    if (pool.workers == NULL || pool.idle == NULL) die("calloc");
    pool.count = workers;
    for (size_t i = 0; i < workers; i++) {
        struct worker *worker = &pool.workers[i];
        worker->client = -1;
        worker->channel.jobs = eventfd(0, 0);
        if (worker->channel.jobs == -1) die("eventfd");
        worker->channel.results = eventfd(0, 0);
        if (worker->channel.results == -1) die("eventfd");
        if ((errno = pthread_create(&worker->thread, &attr, compute, &worker->channel)) != 0) die("pthread_create");
        /* It has begun: with the lowest priority that might take long. */
        (void)take_number(worker->channel.results);
        /* Whatever it computes, whoever else wants the processor has it at once. */
        struct sched_param param = {.sched_priority = 0};
        if ((errno = pthread_setschedparam(worker->thread, SCHED_IDLE, &param)) != 0) die("pthread_setschedparam");
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = RESULTS + i};
        if (epoll_ctl(epfd, EPOLL_CTL_ADD, worker->channel.results, &event) == -1) die("epoll_ctl");
        pool.idle[pool.idle_count++] = i;
    }
    if ((errno = pthread_attr_destroy(&attr)) != 0) die("pthread_attr_destroy");
}

static void give(size_t i, struct job job)
{
    pool.workers[i].client = job.client;
    put(pool.workers[i].channel.jobs, job.n);
}

/* Gives a job to a thread that has none, or puts it into the queue. */
static void submit(struct job job)
{
    if (pool.idle_count > 0) {
        give(pool.idle[--pool.idle_count], job);
        return;
    }
    if (pool.queue_count == pool.queue_room) {
        size_t room = pool.queue_room == 0 ? 64 : 2 * pool.queue_room;
        struct job *queue = calloc(room, sizeof *queue);
        if (queue == NULL) die("calloc");
        for (size_t i = 0; i < pool.queue_count; i++)
            queue[i] = pool.queue[(pool.queue_first + i) % pool.queue_room];
        free(pool.queue);
        pool.queue = queue;
        pool.queue_room = room;
        pool.queue_first = 0;
    }
    pool.queue[(pool.queue_first + pool.queue_count++) % pool.queue_room] = job;
}

/* Takes a client's number out of the queue, if it is still there. */
static bool withdraw(int client)
{
    bool found = false;
    for (size_t i = 0; i < pool.queue_count; i++) {
        struct job *job = &pool.queue[(pool.queue_first + i) % pool.queue_room];
        if (found) pool.queue[(pool.queue_first + i - 1) % pool.queue_room] = *job;
        if (job->client == client) found = true;
    }
    if (found) pool.queue_count--;
    return found;
}

/* Takes the result of a thread, whose it is and what, and gives it the next job. */
static int finish(size_t i, uint64_t *number)
{
    *number = take_number(pool.workers[i].channel.results);
    int client = pool.workers[i].client;
    pool.workers[i].client = -1;
    if (pool.queue_count > 0) {
        struct job job = pool.queue[pool.queue_first];
        pool.queue_first = (pool.queue_first + 1) % pool.queue_room;
        pool.queue_count--;
        give(i, job);
    } else {
        pool.idle[pool.idle_count++] = i;
    }
    return client;
}

/* Ends the threads and waits for them; but one that computes can't be told, and ends with the
   process. */
static void end_pool(void)
{
    for (size_t i = 0; i < pool.count; i++) {
        if (pool.workers[i].client != -1) continue;
        put(pool.workers[i].channel.jobs, END);
        if ((errno = pthread_join(pool.workers[i].thread, NULL)) != 0) die("pthread_join");
        if (close(pool.workers[i].channel.jobs) == -1) die("close");
        if (close(pool.workers[i].channel.results) == -1) die("close");
    }
    if (pool.idle_count == pool.count) free(pool.workers);
    free(pool.idle);
    free(pool.queue);
}

/* ---- what the loop does about each event: events.rs ---- */

struct client {
    bool is_connected;
    bool is_with_pool; /* its number is queued or being computed */
    bool is_watched;   /* whether the kernel has been asked to wait */
    struct exchange exchange;
    uint32_t events; /* for what */
};

static struct table clients; /* by descriptor */
static int clients_count;
static int listenfd = -1, epfd;
static bool is_short;   /* of descriptors: new clients wait a while; the others do not */
static bool is_ending;  /* it has been asked to stop */
static bool is_at_once; /* it has been asked twice */

/* The client that has this descriptor, or NULL. */
static struct client *client_of(int connfd)
{
    struct client *client = entry(&clients, connfd);
    return client->is_connected ? client : NULL;
}

static void close_client(int connfd)
{
    client_of(connfd)->is_connected = false;
    clients_count--;
    (void)close(connfd);
}

static void listen_for(uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = LISTENING};
    if (epoll_ctl(epfd, EPOLL_CTL_MOD, listenfd, &event) == -1) die("epoll_ctl");
}

/* After a shortage, waits for new clients again. */
static void listen_again(void)
{
    if (!is_short) return;
    is_short = false;
    listen_for(EPOLLIN);
}

/* Has the kernel wait for these events of a client; its loss is told in any case. Returns false where the
   kernel has no room to remember it: then this client is closed, and the server goes on. */
static bool watch(int connfd, uint32_t events)
{
    struct client *client = client_of(connfd);
    if (client->is_watched && events == client->events) return true;
    int op = client->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)connfd};
    client->is_watched = true;
    client->events = events;
    if (epoll_ctl(epfd, op, connfd, &event) == 0) return true;
    report_errno("epoll_ctl");
    close_client(connfd);
    return false;
}

/* Sends what there is to send, and then waits for the client, or it is gone. */
static void answer_client(int connfd)
{
    struct client *client = client_of(connfd);
    bool answering = is_answering(&client->exchange);
    if (answering && transmit(&client->exchange, connfd) == DONE) {
        close_client(connfd);
        return;
    }
    watch(connfd, answering ? EPOLLOUT : EPOLLIN);
}

/* Lets the pool compute. */
static void hand_over(int connfd, uint64_t n)
{
    /* Nothing more is asked of it; that it is lost is told all the same. */
    if (!watch(connfd, 0)) return;
    submit((struct job){.client = connfd, .n = n});
    client_of(connfd)->is_with_pool = true;
}

/* A client whose number is with the pool is lost, so nobody waits for it; or it has been handed over since
   it was ready, or has its place from one that left since. */
static void lose_client(int connfd)
{
    int error;
    socklen_t length = sizeof error;
    if (getsockopt(connfd, SOL_SOCKET, SO_ERROR, &error, &length) == -1) die("getsockopt");
    if (error == 0) return;
    if (withdraw(connfd)) {
        close_client(connfd);
        return;
    }
    /* It is being computed. Once told is enough. */
    client_of(connfd)->is_watched = false;
    if (epoll_ctl(epfd, EPOLL_CTL_DEL, connfd, NULL) == -1) die("epoll_ctl");
}

/* Serves a client as far as it goes without waiting and without computing what is costly. */
static void advance_client(int connfd)
{
    struct client *client = client_of(connfd);
    if (client == NULL) return;
    if (client->is_with_pool) {
        lose_client(connfd);
        return;
    }
    if (!is_answering(&client->exchange)) {
        if (receive(&client->exchange, connfd) == DONE) {
            close_client(connfd);
            return;
        }
        if (client->exchange.is_requested) {
            uint64_t n = client->exchange.number;
            if (n >= COSTLY) {
                hand_over(connfd, n);
                return;
            }
            answer(&client->exchange, fib(n));
        }
    }
    answer_client(connfd);
}

/* Returns whether there was one. */
static bool accept_client(unsigned long max_n)
{
    struct sockaddr_storage cliaddr;
    socklen_t clilen = sizeof cliaddr;
    int connfd = accept4(listenfd, (struct sockaddr *)&cliaddr, &clilen, SOCK_NONBLOCK);
    if (connfd == -1) {
        is_short = survive("accept4");
        if (is_short) listen_for(0);
        return false;
    }
    *(struct client *)entry(&clients, connfd) =
        (struct client){.is_connected = true, .exchange = exchange_new(max_n)};
    clients_count++;
    advance_client(connfd);
    return true;
}

/* A thread has done its work. */
static void finish_job(size_t worker)
{
    uint64_t number;
    int connfd = finish(worker, &number);
    struct client *client = client_of(connfd);
    client->is_with_pool = false;
    answer(&client->exchange, number);
    answer_client(connfd);
}

/* Reads a signal and does what it asks for. */
static void obey(int sigfd, unsigned long max_n)
{
    struct signalfd_siginfo info;
    if (read(sigfd, &info, sizeof info) == -1) die("read");
    if (info.ssi_signo == SIGUSR1) return;
    if (is_ending) {
        /* Asked twice. */
        is_at_once = true;
        return;
    }
    is_ending = true;
    /* Whoever has connected by now may have asked, too. */
    for (int i = 0; i < SOMAXCONN && accept_client(max_n); i++) {
    }
    if (close(listenfd) == -1) die("close");
    for (int connfd = 0; connfd < descriptors(&clients); connfd++) {
        /* A request that has arrived is still served. */
        advance_client(connfd);
        const struct client *client = client_of(connfd);
        if (client != NULL && !client->is_with_pool && !is_answering(&client->exchange)) close_client(connfd);
    }
}

/* Closes what is left. */
static void end(void)
{
    if (clients_count > 0)
        fprintf(stderr, "hybrid: stopped, %d requests unanswered\n", clients_count);
    for (int connfd = 0; connfd < descriptors(&clients); connfd++)
        if (client_of(connfd) != NULL) close_client(connfd);
    end_pool();
    table_free(&clients);
    if (close(epfd) == -1) die("close");
}

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "hybrid", SOCK_STREAM, TAKES_MAX_N | TAKES_WORKERS);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, SOMAXCONN) == -1) die("listen");
    if (fcntl(listenfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    const char *line = readiness("hybrid", listenfd);
    int sigfd = signal_descriptor();
    epfd = epoll_create1(0);
    if (epfd == -1) die("epoll_create1");
    struct epoll_event listening = {.events = EPOLLIN, .data.u64 = LISTENING};
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, listenfd, &listening) == -1) die("epoll_ctl");
    struct epoll_event signals = {.events = EPOLLIN, .data.u64 = SIGNALS};
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, sigfd, &signals) == -1) die("epoll_ctl");
    start_pool(options.workers, epfd);
    announce(line);

    clients = table_new(sizeof(struct client));
    struct epoll_event events[64];
    while (!is_ending || (clients_count > 0 && !is_at_once)) {
        int nready = epoll_wait(epfd, events, 64, is_short && !is_ending ? PAUSE : -1);
        if (nready == -1) {
            if (survive("epoll_wait")) pause_a_while();
            continue;
        }
        if (!is_ending) listen_again();
        bool is_signalled = false;
        for (int i = 0; i < nready; i++) {
            uint64_t data = events[i].data.u64;
            if (data == LISTENING)
                accept_client(options.max_n);
            else if (data == SIGNALS)
                is_signalled = true; /* last, since it may close those who have asked just now */
            else if (data >= RESULTS)
                finish_job((size_t)(data - RESULTS));
            else
                advance_client((int)data);
        }
        if (is_signalled) obey(sigfd, options.max_n);
    }
    end();
    if (close(sigfd) == -1) die("close");
}
