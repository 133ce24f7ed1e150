/* getprotobynumber(): a protocol, by its number in the IP header. */

#include <limits.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct given given[] = {{"<NUMBER>", NULL, NULL}, {0}};
    arguments(argc, argv, "getprotobynumber", given);
    const char *text = given[0].value;
    unsigned long number;
    if (!whole_number(text, INT_MAX, &number))
        usage("invalid value '%s' for '<NUMBER>': a protocol is a number from 0 to %d, and in the IP header to 255",
              shown(text), INT_MAX);

    struct protoent *protocol = getprotobynumber((int)number);
    if (protocol == NULL) not_found("getprotobynumber", "not found", text, NULL, "");
    say_protocol(protocol);
}
