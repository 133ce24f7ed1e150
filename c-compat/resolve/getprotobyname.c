/* getprotobyname(): a protocol's number in the IP header, by its name. */

#include "common.h"

int main(int argc, char **argv)
{
    struct given given[] = {{"<NAME>", NULL, NULL}, {0}};
    arguments(argc, argv, "getprotobyname", given);
    const char *name = given[0].value;

    struct protoent *protocol = getprotobyname(name);
    if (protocol == NULL) not_found("getprotobyname", "not found", name, NULL, "");
    say_protocol(protocol);
}
