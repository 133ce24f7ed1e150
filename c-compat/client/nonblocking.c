/* Non-Blocking: Example. Connects, makes the socket non-blocking and asks it again and again, until
   a line has come: TCP may bring it in pieces. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

static const struct timespec ROUND = {.tv_nsec = 10000000};

static long microseconds(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) == -1) die("clock_gettime");
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
    const char *words[2];
    struct timeval timeout = {0};
    int given = 0;
    for (int i = 1; i < argc; i++) {
        const char *value;
        if (option(argc, argv, &i, "--timeout", "S", &value))
            timeout = seconds_of("--timeout <S>", value);
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            client_help("nonblocking", "nonblocking", "HOST PORT [--timeout S]");
        else if (argv[i][0] == '-' || given == 2)
            unexpected(argv[i]);
        else
            words[given++] = argv[i];
    }
    if (given < 2) usage("the following required arguments were not provided: <HOST> <PORT>");
    const char *host = words[0];
    unsigned short port = port_of("<PORT>", words[1]);

    say("connecting!\n");
    int sockfd = connect_to(host, port, SOCK_STREAM, timeout);
    say("connected!\n");
    if (fcntl(sockfd, F_SETFL, O_NONBLOCK) == -1) die("fcntl");
    long limit = timeout.tv_sec * 1000000 + timeout.tv_usec;
    long start = microseconds();
    char buf[1024];
    size_t received = 0;
    while (received < sizeof buf && (received == 0 || buf[received - 1] != '\n')) {
        ssize_t count = recv(sockfd, buf + received, sizeof buf - received, 0);
        if (count == 0) break;
        if (count != -1) {
            received += (size_t)count;
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) client_dies("recv", host, port);
        say("EAGAIN\nEWOULDBLOCK\n");
        if (limit > 0 && microseconds() - start >= limit) {
            errno = EAGAIN;
            client_dies("recv", host, port);
        }
        /* A signal may end it early. */
        (void)nanosleep(&ROUND, NULL);
    }
    if (close(sockfd) == -1) die("close");
    if (received == 0) {
        fputs("error: the server closed the connection without a word\n", stderr);
        return 1;
    }
    say("received: %s\n", printable(buf, received));
}
