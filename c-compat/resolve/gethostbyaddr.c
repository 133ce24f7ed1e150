/* gethostbyaddr(): the name of an IPv4 or IPv6 address. */

#include <arpa/inet.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct given given[] = {{"<ADDR>", NULL, NULL}, {0}};
    arguments(argc, argv, "gethostbyaddr", given);
    const char *text = given[0].value;

    struct in_addr ipv4;
    struct in6_addr ipv6;
    struct hostent *host;
    if (inet_pton(AF_INET, text, &ipv4) == 1)
        host = gethostbyaddr(&ipv4, sizeof ipv4, AF_INET);
    else if (inet_pton(AF_INET6, text, &ipv6) == 1)
        host = gethostbyaddr(&ipv6, sizeof ipv6, AF_INET6);
    else
        no_address(text);
    if (host == NULL)
        not_found("gethostbyaddr", hstrerror(h_errno), text, NULL,
                  h_errno == TRY_AGAIN ? "; no name server has an answer" : "");
    say_host(host);
}
