#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *shown(const char *text)
{
    return printable_line(text, strlen(text));
}

static bool is_word(const struct given *given)
{
    return given->metavar == NULL;
}

static _Noreturn void help(const char *call, const struct given *given)
{
    say("The C twin of `socklab %s`.\n\nUsage: %s", call, call);
    for (; given->name != NULL; given++)
        if (is_word(given))
            say(" %s", given->name);
        else
            say(" [%s %s]", given->name, given->metavar);
    say("\n");
    exit(0);
}

static bool takes_option(int argc, char **argv, int *i, struct given *given)
{
    for (; given->name != NULL; given++)
        if (!is_word(given) && option(argc, argv, i, given->name, given->metavar, &given->value)) return true;
    return false;
}

static bool takes_word(const char *word, struct given *given)
{
    for (; given->name != NULL; given++)
        if (is_word(given) && given->value == NULL) {
            given->value = word;
            return true;
        }
    return false;
}

static void require_words(const struct given *given)
{
    char missing[64] = "";
    for (; given->name != NULL; given++)
        if (is_word(given) && given->name[0] == '<' && given->value == NULL) {
            size_t end = strlen(missing);
            snprintf(missing + end, sizeof missing - end, " %s", given->name);
        }
    if (missing[0] != '\0') usage("the following required arguments were not provided:%s", missing);
}

void arguments(int argc, char **argv, const char *call, struct given *given)
{
    usage_status = 1;
    bool only_words = false;
    const char *more = NULL;
    for (int i = 1; i < argc; i++) {
        bool is_option = !only_words && argv[i][0] == '-' && argv[i][1] != '\0';
        if (is_option && strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (is_option && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0))
            help(call, given);
        else if (is_option && !takes_option(argc, argv, &i, given))
            unexpected(argv[i]);
        else if (!is_option && !takes_word(argv[i], given) && more == NULL)
            more = argv[i];
    }
    if (more != NULL) usage("unexpected argument '%s' found", shown(more));
    require_words(given);
}

static _Noreturn void no_port(const char *name, const char *text)
{
    usage("invalid value '%s' for '%s': a port is a number from 0 to 65535", shown(text), name);
}

unsigned short port(const char *text)
{
    unsigned long number;
    if (!whole_number(text, 65535, &number)) no_port("<PORT>", text);
    return (unsigned short)number;
}

void refuse_no_port(const char *service)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(service, &end, 10);
    if (end == service || *end != '\0') return; /* a name */
    bool negative = strchr(service, '-') != NULL;
    if (errno == ERANGE || number > 65535 || (negative && number != 0)) no_port("[SERVICE]", service);
}

void not_found(const char *call, const char *why, const char *first, const char *second, const char *remedy)
{
    fprintf(stderr, "%s: %s (%s", call, why, shown(first));
    if (second != NULL) fprintf(stderr, ", %s", shown(second));
    fprintf(stderr, "%s)\n", remedy);
    exit(2);
}

void no_address(const char *text)
{
    usage("invalid value '%s' for '<ADDR>': an address is one of IPv4, such as 192.0.2.1, or of IPv6, such as "
          "2001:db8::1",
          shown(text));
}

/* A list of names that ends in NULL, each with a blank before it. */
static void say_names(const char *field, char **names)
{
    say("%s:", field);
    for (; *names != NULL; names++)
        say(" %s", shown(*names));
    say("\n");
}

void say_host(const struct hostent *host)
{
    say("h_name: %s\n", shown(host->h_name));
    say_names("h_aliases", host->h_aliases);
    say("h_addrtype: %s\n", family_name(host->h_addrtype));
    say("h_length: %d\n", host->h_length);
    say("h_addr_list:");
    for (char **addr = host->h_addr_list; *addr != NULL; addr++) {
        char text[INET6_ADDRSTRLEN];
        if (inet_ntop(host->h_addrtype, *addr, text, sizeof text) == NULL) die("inet_ntop");
        say(" %s", text);
    }
    say("\n");
}

void say_service(const struct servent *service)
{
    say("s_name: %s\n", shown(service->s_name));
    say_names("s_aliases", service->s_aliases);
    say("s_port: %u\n", ntohs((in_port_t)service->s_port)); /* an int in network byte order */
    say("s_proto: %s\n", shown(service->s_proto));
}

void say_protocol(const struct protoent *protocol)
{
    say("p_name: %s\n", shown(protocol->p_name));
    say_names("p_aliases", protocol->p_aliases);
    say("p_proto: %d\n", protocol->p_proto);
}
