/* The command line. Its counterpart in Rust is src/server/options.rs. */

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../service/fibonacci.h"
#include "internal.h"

int usage_status = 2;

_Noreturn void usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("error: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(usage_status);
}

_Noreturn void unexpected(const char *argument)
{
    /* An option without its value: what the word says up to an '=', or a letter. */
    size_t shown = strlen(argument);
    if (strncmp(argument, "--", 2) == 0)
        shown = strcspn(argument, "=");
    else if (argument[0] == '-' && shown > 2)
        shown = 2;
    usage("unexpected argument '%.*s' found", (int)shown, argument);
}

bool option(int argc, char **argv, int *i, const char *name, const char *metavar, const char **value)
{
    size_t length = strlen(name);
    const char *argument = argv[*i];
    if (strncmp(argument, name, length) != 0) return false;
    if (argument[length] == '=') {
        *value = argument + length + 1;
        return true;
    }
    if (argument[length] != '\0') return false;
    if (*i + 1 == argc) usage("a value is required for '%s <%s>' but none was supplied", name, metavar);
    *value = argv[++*i];
    return true;
}

bool whole_number(const char *text, unsigned long largest, unsigned long *number)
{
    char *end;
    errno = 0;
    *number = strtoul(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number <= largest;
}

unsigned short port_of(const char *option, const char *text)
{
    unsigned long port;
    if (!whole_number(text, 65535, &port))
        usage("invalid value '%s' for '%s': a port is a number from 0 to 65535", text, option);
    return (unsigned short)port;
}

struct timeval seconds_of(const char *option, const char *text)
{
    char *end;
    double microseconds = strtod(text, &end) * 1e6;
    bool decimal = strspn(text, "+-.0123456789Ee") == strlen(text);
    if (!decimal || end == text || *end != '\0' || !(microseconds >= 1.0 && microseconds <= 1e15))
        usage("invalid value '%s' for '%s': a time is a number of seconds greater than 0, such as 0.5",
              text, option);
    long whole = (long)microseconds;
    struct timeval timeout = {.tv_sec = whole / 1000000, .tv_usec = whole % 1000000};
    return timeout;
}

static enum format format_of(const char *text)
{
    if (strcmp(text, "human") == 0) return HUMAN;
    if (strcmp(text, "iso8601") == 0) return ISO8601;
    if (strcmp(text, "daytime") == 0) return DAYTIME;
    if (strcmp(text, "time") == 0) return TIME;
    usage("invalid value '%s' for '--format <F>': a format is human, iso8601, daytime or time", text);
}

static const char *name_of(int taken)
{
    switch (taken) {
    case TAKES_MAX_N: return "--max-n";
    case TAKES_TIMEOUT: return "--timeout";
    case TAKES_FORMAT: return "--format";
    case TAKES_WORKERS: return "--workers";
    default: return "--defer-accept";
    }
}

static void help(const char *name, int takes)
{
    say("The C twin of `socklab serve %s`.\n\nUsage: %s [--bind ADDR] [--port N]%s%s%s%s%s\n", name, name,
        takes & TAKES_MAX_N ? " [--max-n N]" : "", takes & TAKES_TIMEOUT ? " [--timeout S]" : "",
        takes & TAKES_FORMAT ? " [--format F]" : "", takes & TAKES_WORKERS ? " [--workers N]" : "",
        takes & TAKES_DEFER_ACCEPT ? " [--defer-accept S]" : "");
    exit(0);
}

struct sockaddr_storage servaddr;
socklen_t servaddrlen;

struct options server_options(int argc, char **argv, const char *name, int socktype, int takes)
{
    struct options options = {
        .max_n = DEFAULT_MAX_N, .timeout = {.tv_sec = 5}, .format = HUMAN, .workers = DEFAULT_WORKERS};
    const char *host = "127.0.0.1";
    unsigned short port = 9000;
    for (int i = 1; i < argc; i++) {
        const char *value;
        int took = 0;
        if (strcmp(argv[i], "--") == 0 && i + 1 == argc) {
            break;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help(name, takes);
        } else if (option(argc, argv, &i, "--bind", "ADDR", &value)) {
            host = value;
        } else if (option(argc, argv, &i, "--port", "N", &value)) {
            port = port_of("--port <N>", value);
        } else if (option(argc, argv, &i, "--max-n", "N", &value)) {
            took = TAKES_MAX_N;
            if (!whole_number(value, LARGEST_N, &options.max_n))
                usage("invalid value '%s' for '--max-n <N>': the largest n is a number from 0 to %d", value,
                      LARGEST_N);
        } else if (option(argc, argv, &i, "--timeout", "S", &value)) {
            took = TAKES_TIMEOUT;
            options.timeout = seconds_of("--timeout <S>", value);
        } else if (option(argc, argv, &i, "--format", "F", &value)) {
            took = TAKES_FORMAT;
            options.format = format_of(value);
        } else if (option(argc, argv, &i, "--workers", "N", &value)) {
            took = TAKES_WORKERS;
            if (!whole_number(value, MOST_WORKERS, &options.workers) || options.workers == 0)
                usage("invalid value '%s' for '--workers <N>': a number of workers is from 1 to %d", value,
                      MOST_WORKERS);
        } else if (option(argc, argv, &i, "--defer-accept", "S", &value)) {
            took = TAKES_DEFER_ACCEPT;
            unsigned long seconds;
            if (!whole_number(value, LONGEST_DEFERRAL, &seconds) || seconds == 0)
                usage("invalid value '%s' for '--defer-accept <S>': a number of seconds is from 1 to %d", value,
                      LONGEST_DEFERRAL);
            options.defer_accept = (int)seconds;
        } else {
            unexpected(argv[i]);
        }
        if ((took & takes) != took)
            usage("'%s' does nothing in the design %s", name_of(took), name);
    }

    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = socktype};
    struct addrinfo *answers;
    int error = getaddrinfo(host, service, &hints, &answers);
    if (error != 0) {
        fprintf(stderr, "getaddrinfo: %s (%s)\n", error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error),
                host);
        exit(1);
    }
    memcpy(&options.servaddr, answers->ai_addr, answers->ai_addrlen);
    options.servaddrlen = answers->ai_addrlen;
    freeaddrinfo(answers);
    servaddr = options.servaddr;
    servaddrlen = options.servaddrlen;
    return options;
}
