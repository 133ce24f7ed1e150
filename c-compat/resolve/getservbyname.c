/* getservbyname(): a service's port, by its name: upper and lower case differ. */

#include "common.h"

int main(int argc, char **argv)
{
    struct given given[] = {{"<NAME>", NULL, NULL}, {"[PROTO]", NULL, NULL}, {0}};
    arguments(argc, argv, "getservbyname", given);
    const char *name = given[0].value, *proto = given[1].value; /* a protocol of NULL is any */

    struct servent *service = getservbyname(name, proto);
    if (service == NULL)
        not_found("getservbyname", "not found", name, proto == NULL ? "NULL" : proto,
                  "; upper and lower case differ");
    say_service(service);
}
