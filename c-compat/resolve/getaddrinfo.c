/* getaddrinfo(): the addresses of a host and a service, ready for socket() and connect(). */

#include <errno.h>
#include <string.h>

#include "common.h"

enum { HOST, SERVICE, FAMILY, TYPE, PROTO, FLAGS };

/* What stands for NULL on the command line: nothing, or a dash. */
static const char *or_null(const char *word)
{
    return word == NULL || strcmp(word, "-") == 0 ? NULL : word;
}

static const char *remedy(int error)
{
    switch (error) {
    case EAI_AGAIN: return "; no name server has an answer";
    case EAI_SERVICE: return "; no such service with this --type and --proto";
    case EAI_BADFLAGS: return "; AI_CANONNAME needs a host";
    default: return "";
    }
}

int main(int argc, char **argv)
{
    struct given given[] = {
        [HOST] = {"[HOST]", NULL, NULL}, [SERVICE] = {"[SERVICE]", NULL, NULL}, [FAMILY] = {"--family", "F", NULL},
        [TYPE] = {"--type", "T", NULL}, [PROTO] = {"--proto", "P", NULL}, [FLAGS] = {"--flags", "FLAGS", NULL},
        {0},
    };
    arguments(argc, argv, "getaddrinfo", given);
    struct addrinfo hints = {0};
    hints.ai_family = number_of(FAMILIES, "--family <F>", given[FAMILY].value);
    hints.ai_socktype = number_of(TYPES, "--type <T>", given[TYPE].value);
    hints.ai_protocol = number_of(PROTOCOLS, "--proto <P>", given[PROTO].value);
    hints.ai_flags = flags_of(AI_FLAGS, given[FLAGS].value);
    const char *host = or_null(given[HOST].value), *service = or_null(given[SERVICE].value);
    if (service != NULL) refuse_no_port(service);

    struct addrinfo *res;
    int error = getaddrinfo(host, service, &hints, &res);
    if (error != 0)
        not_found("getaddrinfo", error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error),
                  host == NULL ? "NULL" : host, service == NULL ? "NULL" : service, remedy(error));

    /* Only the first answer may have the name. */
    const char *canonname = res->ai_canonname == NULL ? "NULL" : shown(res->ai_canonname);
    int width = (int)strlen(canonname);
    if (width < (int)strlen("ai_canonname")) width = (int)strlen("ai_canonname");
    say("%-9s  %-14s  %-15s  %-*s  %s\n", "ai_family", "ai_socktype", "ai_protocol", width, "ai_canonname",
        "ai_addr");
    for (struct addrinfo *ai = res; ai != NULL; ai = ai->ai_next) {
        canonname = ai->ai_canonname == NULL ? "NULL" : shown(ai->ai_canonname);
        say("%-9s  %-14s  %-15s  %-*s  %s\n", family_name(ai->ai_family), type_name(ai->ai_socktype),
            protocol_name(ai->ai_protocol), width, canonname,
            address((const struct sockaddr_storage *)ai->ai_addr, ai->ai_addrlen));
    }
    freeaddrinfo(res);
}
