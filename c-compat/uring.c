/* I/O Completion: io_uring */

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "service/fibonacci.h"

/* ---- what src/linux/io_uring.rs has for the twin ---- */

enum { ENTRIES = 256 }; /* of the submission queue */
enum { BUFFERS = 128 }; /* to receive into, for all clients together */

enum operation { ACCEPT, RECV, SEND, CLOSE, TIMEOUT };

struct completion {
    enum operation operation;
    int fd;       /* what was accepted, or received from */
    int error;    /* an errno, or 0 */
    bool is_over; /* no more will be accepted unless asked for anew */
    size_t count; /* of the bytes received */
    char bytes[RECEIVE_MAX];
};

/* What the kernel receives into, and the ring that tells it which of that is free: an idle client
   holds none of it. */
struct buffers {
    struct io_uring_buf ring[BUFFERS];
    char bytes[BUFFERS][RECEIVE_MAX];
};

static struct buffers *buffers;

/* Gives a buffer to the kernel. */
static void provide(unsigned i)
{
    struct io_uring_buf_ring *ring = (struct io_uring_buf_ring *)buffers->ring;
    io_uring_buf_ring_add(ring, buffers->bytes[i], RECEIVE_MAX, (uint16_t)i, BUFFERS - 1, 0);
    io_uring_buf_ring_advance(ring, 1);
}

static void provide_buffers(struct io_uring *ring)
{
    buffers = mmap(NULL, sizeof *buffers, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffers == MAP_FAILED) die("mmap");
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)buffers->ring, .ring_entries = BUFFERS};
    errno = -io_uring_register_buf_ring(ring, &reg, 0);
    if (errno != 0) die("io_uring_register");
    for (unsigned i = 0; i < BUFFERS; i++)
        provide(i);
}

/* An entry of the submission queue, whose completion will tell what was asked of which descriptor. */
static struct io_uring_sqe *entry(struct io_uring *ring, enum operation operation, int fd)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    errno = EBUSY;
    if (sqe == NULL) die("io_uring_get_sqe");
    io_uring_sqe_set_data64(sqe, (uint64_t)operation << 32 | (uint32_t)fd);
    return sqe;
}

static void prep_accept(struct io_uring *ring, int listenfd)
{
    struct io_uring_sqe *sqe = entry(ring, ACCEPT, listenfd);
    io_uring_prep_multishot_accept(sqe, listenfd, NULL, NULL, 0);
}

static void prep_recv(struct io_uring *ring, int connfd)
{
    struct io_uring_sqe *sqe = entry(ring, RECV, connfd);
    io_uring_prep_recv(sqe, connfd, NULL, RECEIVE_MAX, 0);
    sqe->flags = IOSQE_BUFFER_SELECT;
}

static void prep_close(struct io_uring *ring, int connfd)
{
    struct io_uring_sqe *sqe = entry(ring, CLOSE, connfd);
    io_uring_prep_close(sqe, connfd);
    sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
}

/* The bytes stay where they are until the descriptor's number is given out again: that is after the
   close, which comes after the send. */
static void prep_send_and_close(struct io_uring *ring, int connfd, const char *bytes, size_t count)
{
    struct io_uring_sqe *sqe = entry(ring, SEND, connfd);
    io_uring_prep_send(sqe, connfd, bytes, count, MSG_WAITALL);
    sqe->flags = IOSQE_IO_HARDLINK | IOSQE_CQE_SKIP_SUCCESS;
    prep_close(ring, connfd);
}

static void prep_timeout(struct io_uring *ring, int milliseconds)
{
    static struct __kernel_timespec ts;
    ts.tv_nsec = milliseconds * 1000000LL;
    io_uring_prep_timeout(entry(ring, TIMEOUT, -1), &ts, 0, 0);
}

/* The next completion, unless there is none, or no room for the two entries that it may lead to. */
static bool next_completion(struct io_uring *ring, struct completion *completion)
{
    struct io_uring_cqe *cqe;
    if (io_uring_sq_space_left(ring) < 2 || io_uring_peek_cqe(ring, &cqe) != 0) return false;
    uint64_t data = io_uring_cqe_get_data64(cqe);
    completion->operation = (enum operation)(data >> 32);
    completion->fd = completion->operation == ACCEPT ? cqe->res : (int)data;
    completion->error = cqe->res < 0 ? -cqe->res : 0;
    completion->is_over = (cqe->flags & IORING_CQE_F_MORE) == 0;
    completion->count = 0;
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        unsigned i = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        if (cqe->res > 0) completion->count = (size_t)cqe->res;
        memcpy(completion->bytes, buffers->bytes[i], completion->count);
        provide(i);
    }
    io_uring_cqe_seen(ring, cqe);
    return true;
}

/* ---- the server ---- */

/* What is remembered of a client, at its descriptor's number. It is sent from, so it never moves. */
static struct exchange *client(int connfd)
{
    static struct exchange **clients;
    static int room;
    if (connfd >= room) {
        int more = connfd < 64 ? 64 : 2 * connfd;
        clients = realloc(clients, (size_t)more * sizeof *clients);
        if (clients == NULL) die("realloc");
        while (room < more)
            clients[room++] = NULL;
    }
    if (clients[connfd] == NULL) clients[connfd] = malloc(sizeof **clients);
    if (clients[connfd] == NULL) die("malloc");
    return clients[connfd];
}

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "uring", SOCK_STREAM, TAKES_MAX_N);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int listenfd = socket(servaddr->sa_family, SOCK_STREAM, 0);
    if (listenfd == -1) die("socket");
    if (setsockopt(listenfd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == -1) die("setsockopt");
    if (bind(listenfd, servaddr, options.servaddrlen) == -1) die("bind");
    if (listen(listenfd, SOMAXCONN) == -1) die("listen");
    struct io_uring ring;
    errno = -io_uring_queue_init(ENTRIES, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
    if (errno != 0) die("io_uring_setup");
    provide_buffers(&ring);
    prep_accept(&ring, listenfd);
    ready("uring", listenfd);

    while (!stopping) {
        /* Also when that fails: completions that nobody takes may be the reason (EBUSY). */
        int submitted = io_uring_submit_and_wait(&ring, 1);
        if (submitted < 0) {
            errno = -submitted;
            if (survive("io_uring_enter")) pause_a_while();
        }
        struct completion completion;
        while (!stopping && next_completion(&ring, &completion)) {
            int connfd = completion.fd;
            switch (completion.operation) {
            case ACCEPT: {
                bool is_short = false;
                if (completion.error == 0) {
                    *client(connfd) = exchange_new(options.max_n);
                    prep_recv(&ring, connfd);
                } else if (stopping) {
                    break;
                } else {
                    errno = completion.error;
                    is_short = survive("accept");
                }
                if (!completion.is_over) break;
                /* Short of descriptors, new clients wait a while; the others do not. */
                if (is_short)
                    prep_timeout(&ring, PAUSE);
                else
                    prep_accept(&ring, listenfd);
                break;
            }
            case TIMEOUT: prep_accept(&ring, listenfd); break;
            case RECV: {
                struct exchange *exchange = client(connfd);
                enum progress progress = DONE;
                if (completion.error == 0) progress = take(exchange, completion.bytes, completion.count);
                /* More has come at once than there are buffers; they are free again. */
                if (completion.error == ENOBUFS) progress = MORE;
                if (exchange->is_requested) answer(exchange, fib(exchange->number));
                if (progress == DONE) {
                    prep_close(&ring, connfd);
                } else if (!is_answering(exchange)) {
                    prep_recv(&ring, connfd);
                } else if (exchange->has_more) {
                    /* An end of file has to go before the close, and rarely: by calls of its own. */
                    (void)fcntl(connfd, F_SETFL, O_NONBLOCK);
                    (void)transmit(exchange, connfd);
                    prep_close(&ring, connfd);
                } else {
                    prep_send_and_close(&ring, connfd, unsent(exchange), exchange->unsent);
                }
                break;
            }
            /* Only a failure is told, and it is that client's trouble. */
            case SEND:
            case CLOSE: break;
            }
        }
    }
    (void)io_uring_submit(&ring);
    io_uring_queue_exit(&ring);
    if (close(listenfd) == -1) die("close");
}
