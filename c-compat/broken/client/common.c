#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct question question(int argc, char **argv)
{
    struct question question = {.n = 37, .timeout = {.tv_sec = 2}};
    const char *words[2] = {"localhost", "9000"};
    int given = 0;
    for (int i = 1; i < argc; i++) {
        const char *value;
        if (option(argc, argv, &i, "-n", "N", &value)) {
            char *end;
            question.n = strtol(value, &end, 10);
            if (end == value || *end != '\0') usage("invalid value '%s' for '-n <N>': n is a decimal integer", value);
        } else if (option(argc, argv, &i, "--timeout", "S", &value)) {
            question.timeout = seconds_of("--timeout <S>", value);
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            say("A client with one fault: see c-compat/broken/README.md.\n\n"
                "Usage: %s [HOST] [PORT] [-n N] [--timeout S]\n",
                program_invocation_short_name);
            exit(0);
        } else if (argv[i][0] == '-' || given == 2) {
            unexpected(argv[i]);
        } else {
            words[given++] = argv[i];
        }
    }
    question.host = words[0];
    question.port = port_of("[PORT]", words[1]);
    return question;
}

int ask(const struct question *question)
{
    int sockfd = connect_to(question->host, question->port, SOCK_STREAM, question->timeout);
    request(sockfd, question);
    return sockfd;
}

void request(int sockfd, const struct question *question)
{
    char line[32];
    size_t length = (size_t)snprintf(line, sizeof line, "%ld\n", question->n), sent = 0;
    while (sent < length) {
        ssize_t count = send(sockfd, line + sent, length - sent, 0);
        if (count != -1)
            sent += (size_t)count;
        else if (errno != EINTR)
            client_dies("send", question->host, question->port);
    }
}

size_t receive_some(int sockfd, char *buf, size_t room, const struct question *question)
{
    for (;;) {
        ssize_t count = recv(sockfd, buf, room, 0);
        if (count != -1) return (size_t)count;
        if (errno != EINTR) client_dies("recv", question->host, question->port);
    }
}

int conclude(int sockfd, const struct question *question, const char *answer, size_t length)
{
    if (close(sockfd) == -1) die("close");
    if (length == 0) {
        fputs("error: the server closed the connection without an answer\n", stderr);
        return 1;
    }
    if (length == ANSWER_MOST) {
        fputs("error: the server's answer does not end\n", stderr);
        return 1;
    }
    const char *text = printable(answer, length);
    int line = (int)strcspn(text, "\n");
    if (strspn(text, "0123456789") != strlen(text)) {
        fprintf(stderr, "error: the server's answer is not a number: %.*s\n", line, text);
        return 1;
    }
    say("fib(%ld)=%s\n", question->n, text);
    return 0;
}
