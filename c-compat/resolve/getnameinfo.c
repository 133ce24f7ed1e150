/* getnameinfo(): the names of an address and a port. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common.h"

static const char *remedy(int error)
{
    switch (error) {
    case EAI_AGAIN: return "; no name server has an answer";
    case EAI_OVERFLOW: return "; the name is too long"; /* not every glibc has words for it */
    default: return "";
    }
}

int main(int argc, char **argv)
{
    struct given given[] = {{"<ADDR>", NULL, NULL}, {"<PORT>", NULL, NULL}, {"--flags", "FLAGS", NULL}, {0}};
    arguments(argc, argv, "getnameinfo", given);
    const char *text = given[0].value, *word = given[1].value;
    unsigned short number = port(word);
    int flags = flags_of(NI_FLAGS, given[2].value);

    /* The address, with its interface where it is one of a link: fe80::1%eth0. */
    char service[8];
    snprintf(service, sizeof service, "%u", number);
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *res;
    int error = getaddrinfo(text, service, &hints, &res);
    if (error == EAI_NONAME || strcmp(text, "*") == 0) no_address(text); /* to glibc * is NULL: this host */
    if (error != 0)
        not_found("getaddrinfo", error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error), text, word, "");

    char host[NI_MAXHOST], serv[256];
    error = getnameinfo(res->ai_addr, res->ai_addrlen, host, sizeof host, serv, sizeof serv, flags);
    if (error != 0)
        not_found("getnameinfo", error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error), text, word,
                  remedy(error));
    freeaddrinfo(res);
    say("host: %s\n", shown(host));
    say("serv: %s\n", shown(serv));
}
