#include "clients.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "common.h"

struct clients clients_new(unsigned long max_n)
{
    return (struct clients){.table = table_new(sizeof(struct client)), .max_n = max_n};
}

static struct client client_new(unsigned long max_n)
{
    return (struct client){.is_connected = true, .exchange = exchange_new(max_n)};
}

static int take_in(struct clients *clients, int connfd, const struct client *client)
{
    *(struct client *)entry(&clients->table, connfd) = *client;
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
    struct client *client = entry(&clients->table, connfd);
    return client->is_connected ? client : NULL;
}

void advance_client(struct clients *clients, int epfd, int connfd)
{
    struct client *client = client_of(clients, connfd);
    if (client != NULL && !advance_and_wait(epfd, connfd, client)) close_client(clients, connfd);
}

void close_client(struct clients *clients, int connfd)
{
    struct client *client = client_of(clients, connfd);
    if (client == NULL) return;
    client->is_connected = false;
    (void)close(connfd);
}

void close_clients(struct clients *clients)
{
    for (int connfd = 0; connfd < descriptors(&clients->table); connfd++)
        close_client(clients, connfd);
    table_free(&clients->table);
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
