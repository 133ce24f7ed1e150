/* The clients of a loop over epoll: who is connected, and how far each has come. Its counterpart in
   Rust is src/server/clients.rs. */

#ifndef CLIENTS_H
#define CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "service/fibonacci.h"
#include "table.h"

/* A connected client. */
struct client {
    bool is_connected;
    struct exchange exchange; /* its request and the answer, as far as they have come */
    /* Whether it can go on and is on the list of those who can. Only an edge-triggered loop has one. */
    bool is_ready;
    uint32_t events; /* what the kernel has been asked to wait for; at first nothing */
};

/* All clients of a process, by descriptor. */
struct clients {
    struct table table;
    unsigned long max_n;
};

/* Nobody yet; requests up to max_n. */
struct clients clients_new(unsigned long max_n);

/* Serves a new client as far as it goes without waiting. Mostly its request has come with it, and then
   it is gone already; otherwise it is taken in and waited for. */
void serve_client(struct clients *clients, int epfd, int connfd);

/* Takes a new client in and returns its descriptor. */
int add_client(struct clients *clients, int connfd);

/* The client that has this descriptor, or NULL. */
struct client *client_of(struct clients *clients, int connfd);

/* Serves a client as far as it goes without waiting. Then it is waited for, or it is gone. */
void advance_client(struct clients *clients, int epfd, int connfd);

/* A client is gone. */
void close_client(struct clients *clients, int connfd);

/* All of them are gone. */
void close_clients(struct clients *clients);

/* Asks the kernel to wait for these events of a client, if it does not already. Returns false when it
   has no room to remember them: that client is to be closed, and the server goes on. */
bool wait_for(int epfd, int connfd, struct client *client, uint32_t events);

#endif
