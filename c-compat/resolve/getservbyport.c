/* getservbyport(): a service, by its port. */

#include <arpa/inet.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct given given[] = {{"<PORT>", NULL, NULL}, {"[PROTO]", NULL, NULL}, {0}};
    arguments(argc, argv, "getservbyport", given);
    unsigned short number = port(given[0].value);
    const char *proto = given[1].value; /* NULL is any */

    struct servent *service = getservbyport(htons(number), proto);
    if (service == NULL)
        not_found("getservbyport", "not found", given[0].value, proto == NULL ? "NULL" : proto, "");
    say_service(service);
}
