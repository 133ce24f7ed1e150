/* TCP Fibonacci Service: the client. It reads until the end of file, so no answer is too long. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

static double now(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) == -1) die("clock_gettime");
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static long number_of(const char *text)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || text[0] <= ' ')
        usage("invalid value '%s' for '-n <N>': n is a decimal integer of at most 64 bits", text);
    return n;
}

int main(int argc, char **argv)
{
    long n = 37;
    const char *words[2] = {"localhost", "9000"};
    struct timeval timeout = {0};
    int given = 0;
    for (int i = 1; i < argc; i++) {
        const char *value;
        if (option(argc, argv, &i, "-n", "N", &value))
            n = number_of(value);
        else if (option(argc, argv, &i, "--timeout", "S", &value))
            timeout = seconds_of("--timeout <S>", value);
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            client_help("fibonacci", "fib", "[HOST] [PORT] [-n N] [--timeout S]");
        else if (argv[i][0] == '-' || given == 2)
            unexpected(argv[i]);
        else
            words[given++] = argv[i];
    }
    const char *host = words[0];
    unsigned short port = port_of("[PORT]", words[1]);

    double start = now();
    int sockfd = connect_to(host, port, SOCK_STREAM, timeout);
    char request[32];
    size_t length = (size_t)snprintf(request, sizeof request, "%ld\n", n), sent = 0;
    while (sent < length) {
        ssize_t count = send(sockfd, request + sent, length - sent, 0);
        if (count != -1)
            sent += (size_t)count;
        else if (errno != EINTR)
            client_dies("send", host, port);
    }
    char answer[ANSWER_MOST];
    size_t received = 0;
    while (received < sizeof answer) {
        ssize_t count = recv(sockfd, answer + received, sizeof answer - received, 0);
        if (count == 0) break;
        if (count != -1)
            received += (size_t)count;
        else if (errno != EINTR)
            client_dies("recv", host, port);
    }
    if (close(sockfd) == -1) die("close");
    double seconds = now() - start;

    if (received == 0) {
        fputs("error: the server closed the connection without an answer\n", stderr);
        return 1;
    }
    if (received == sizeof answer) {
        fputs("error: the server's answer does not end\n", stderr);
        return 1;
    }
    const char *text = printable(answer, received);
    /* One line of it, whatever it is. */
    int line = (int)strcspn(text, "\n");
    if (strncmp(text, "error: ", 7) == 0) {
        fprintf(stderr, "%.*s\n", line, text);
        return 1;
    }
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text)) {
        fprintf(stderr, "error: the server's answer is not a number: %.*s\n", line, text);
        return 1;
    }
    say("fib(%ld)=%s (%.3fs calc time)\n", n, text, seconds);
}
