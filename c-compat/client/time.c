/* UDP Time Service: the client. A datagram may be lost, so it asks up to three times. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

enum { TRIES = 3 };         /* how often it asks */
enum { ANSWER_ROOM = 512 }; /* more than any server of this service says, in bytes */

/* The length of the answer, or -1. On a connected UDP socket a closed port is ECONNREFUSED, but only
   when it is asked: so it is by asking, not by connecting, that every address of the host is tried. */
static ssize_t ask_one(int sockfd, char answer[ANSWER_ROOM], const char **call)
{
    for (int tries = 1;; tries++) {
        *call = "send";
        if (send(sockfd, "", 0, 0) == -1) return -1;
        *call = "recv";
        ssize_t length = recv(sockfd, answer, ANSWER_ROOM, 0);
        if (length != -1 || (errno != EAGAIN && errno != EINTR) || tries == TRIES) return length;
    }
}

int main(int argc, char **argv)
{
    const char *words[2] = {"localhost", "9000"};
    struct timeval timeout = {.tv_sec = 1};
    int given = 0;
    for (int i = 1; i < argc; i++) {
        const char *value;
        if (option(argc, argv, &i, "--timeout", "S", &value))
            timeout = seconds_of("--timeout <S>", value);
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            client_help("time", "time", "[HOST] [PORT] [--timeout S]");
        else if (argv[i][0] == '-' || given == 2)
            unexpected(argv[i]);
        else
            words[given++] = argv[i];
    }
    const char *host = words[0];
    unsigned short port = port_of("[PORT]", words[1]);

    struct addrinfo *res = resolve(host, port, SOCK_DGRAM);
    const char *call = "connect";
    char answer[ANSWER_ROOM];
    ssize_t length = -1;
    errno = EINVAL;
    for (struct addrinfo *ai = res; ai != NULL && length == -1; ai = ai->ai_next) {
        int sockfd = connect_one(ai, timeout, &call);
        if (sockfd == -1) continue;
        length = ask_one(sockfd, answer, &call);
        int failure = errno;
        if (close(sockfd) == -1) die("close");
        errno = failure;
    }
    if (length == -1) client_dies(call, host, port);
    freeaddrinfo(res);

    uint32_t rfc868;
    /* RFC 868: seconds since 1900 in four bytes; the other formats are longer. */
    if (length == sizeof rfc868) {
        memcpy(&rfc868, answer, sizeof rfc868);
        length = (ssize_t)tell((long)ntohl(rfc868) - EPOCHS_APART, HUMAN, answer);
    }
    say("%s\n", printable(answer, (size_t)length));
}
