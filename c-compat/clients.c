#include "clients.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common.h"

static void make_room(struct clients *clients, int room)
{
    clients->table = realloc(clients->table, (size_t)room * sizeof *clients->table);
    if (clients->table == NULL) die("realloc");
    memset(clients->table + clients->room, 0, (size_t)(room - clients->room) * sizeof *clients->table);
    clients->room = room;
}

struct clients clients_new(unsigned long max_n)
{
    struct clients clients = {.max_n = max_n};
    make_room(&clients, 64);
    return clients;
}

static struct client client_new(unsigned long max_n)
{
    return (struct client){.is_connected = true, .exchange = exchange_new(max_n)};
}

static int take_in(struct clients *clients, int connfd, const struct client *client)
{
    /* Not doubled: room for nobody is memory too. */
    if (connfd >= clients->room) make_room(clients, connfd + connfd / 2);
    clients->table[connfd] = *client;
    return connfd;
}

/* As far as it goes without waiting; returns whether it is waited for then, or to be closed. */
static bool advance_and_wait(int epfd, int connfd, struct client *client)
{
    if (advance(&client->exchange, connfd) == DONE) return false;
    uint32_t events = is_answering(&client->exchange) ? EPOLLOUT : EPOLLIN;
    return wait_for(epfd, connfd, client, events);
}

void serve_client(struct clients *clients, int epfd, int connfd)
{
    struct client client = client_new(clients->max_n);
    if (advance_and_wait(epfd, connfd, &client))
        take_in(clients, connfd, &client);
    else
        (void)close(connfd);
}

int add_client(struct clients *clients, int connfd)
{
    struct client client = client_new(clients->max_n);
    return take_in(clients, connfd, &client);
}

struct client *client_of(struct clients *clients, int connfd)
{
    struct client *client = &clients->table[connfd];
    return client->is_connected ? client : NULL;
}

void advance_client(struct clients *clients, int epfd, int connfd)
{
    struct client *client = client_of(clients, connfd);
    if (client != NULL && !advance_and_wait(epfd, connfd, client)) close_client(clients, connfd);
}

void close_client(struct clients *clients, int connfd)
{
    clients->table[connfd].is_connected = false;
    (void)close(connfd);
}

void close_clients(struct clients *clients)
{
    for (int connfd = 0; connfd < clients->room; connfd++)
        if (clients->table[connfd].is_connected) (void)close(connfd);
    free(clients->table);
}

bool wait_for(int epfd, int connfd, struct client *client, uint32_t events)
{
    if (events == client->events) return true;
    int op = client->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    struct epoll_event event = {.events = events, .data.fd = connfd};
    client->events = events;
    if (epoll_ctl(epfd, op, connfd, &event) == 0) return true;
    report_errno("epoll_ctl");
    return false;
}
