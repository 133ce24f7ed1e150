#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Noreturn void client_dies(const char *call, const char *host, unsigned short port)
{
    const char *why = errno == EAGAIN ? "; no answer in time" : errno == EINPROGRESS ? "; no connection in time" : "";
    fprintf(stderr, "%s: %s (%s port %u%s)\n", call, strerror(errno), host, port, why);
    exit(1);
}

struct addrinfo *resolve(const char *host, unsigned short port, int socktype)
{
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = socktype};
    struct addrinfo *res;
    int error = getaddrinfo(host, service, &hints, &res);
    if (error != 0) {
        fprintf(stderr, "getaddrinfo: %s (%s port %u)\n",
                error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error), host, port);
        exit(1);
    }
    return res;
}

int connect_one(const struct addrinfo *ai, struct timeval timeout, const char **call)
{
    *call = "socket";
    int sockfd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
    if (sockfd == -1) return -1;
    if (setsockopt(sockfd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == -1) die("setsockopt");
    if (setsockopt(sockfd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == -1) die("setsockopt");
    *call = "connect";
    if (connect(sockfd, ai->ai_addr, ai->ai_addrlen) == 0) return sockfd;
    int failure = errno;
    if (close(sockfd) == -1) die("close");
    errno = failure;
    return -1;
}

int connect_to(const char *host, unsigned short port, int socktype, struct timeval timeout)
{
    struct addrinfo *res = resolve(host, port, socktype);
    const char *call = "connect";
    int sockfd = -1;
    errno = EINVAL;
    for (struct addrinfo *ai = res; ai != NULL && sockfd == -1; ai = ai->ai_next)
        sockfd = connect_one(ai, timeout, &call);
    if (sockfd == -1) client_dies(call, host, port);
    freeaddrinfo(res);
    return sockfd;
}

_Noreturn void client_help(const char *name, const char *twin, const char *arguments)
{
    say("The C twin of `socklab client %s`.\n\nUsage: %s %s\n", twin, name, arguments);
    exit(0);
}
