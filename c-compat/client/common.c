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

/* How many bytes the first character has, or what is there in place of one. */
static size_t character(const unsigned char *bytes, size_t length, bool *valid)
{
    unsigned char first = bytes[0], low = 0x80, high = 0xbf;
    size_t following = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    *valid = first < 0x80 || (first >= 0xc2 && first <= 0xf4);
    if (!*valid) return 1;
    /* The shortest form only, no surrogates, nothing beyond U+10FFFF. */
    switch (first) {
    case 0xe0: low = 0xa0; break;
    case 0xed: high = 0x9f; break;
    case 0xf0: low = 0x90; break;
    case 0xf4: high = 0x8f; break;
    default: break;
    }
    for (size_t i = 1; i <= following; i++) {
        *valid = i < length && bytes[i] >= low && bytes[i] <= high;
        if (!*valid) return i;
        low = 0x80;
        high = 0xbf;
    }
    return following + 1;
}

const char *printable(const char *said, size_t length)
{
    static char text[3 * ANSWER_MOST + 1];
    const unsigned char *bytes = (const unsigned char *)said;
    while (length > 0 && (bytes[length - 1] == '\n' || bytes[length - 1] == '\r'))
        length--;
    size_t i = 0, end = 0;
    while (i < length) {
        bool valid;
        size_t count = character(bytes + i, length - i, &valid);
        unsigned char first = bytes[i];
        bool control = first < ' ' || first == 0x7f || (count == 2 && first == 0xc2 && bytes[i + 1] < 0xa0);
        const char *shown = said + i;
        size_t width = count;
        if (!valid) {
            shown = "\xef\xbf\xbd";
            width = 3;
        } else if (first == '\r' && i + 1 < length && bytes[i + 1] == '\n') {
            width = 0;
        } else if (control && first != '\n') {
            shown = "?";
            width = 1;
        }
        memcpy(text + end, shown, width);
        end += width;
        i += count;
    }
    text[end] = '\0';
    return text;
}

_Noreturn void client_help(const char *name, const char *twin, const char *arguments)
{
    say("The C twin of `socklab client %s`.\n\nUsage: %s %s\n", twin, name, arguments);
    exit(0);
}
