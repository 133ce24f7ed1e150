/* C's constants by their names, and their names by their values. Its counterpart in Rust is
   src/tool/resolve/constants.rs. */

#include <ctype.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

#define CONSTANT(name) {#name, name}

const struct constant FAMILIES[] = {
    CONSTANT(AF_UNSPEC), CONSTANT(AF_INET), CONSTANT(AF_INET6), CONSTANT(AF_UNIX), {NULL, 0},
};
const struct constant TYPES[] = {
    CONSTANT(SOCK_STREAM),    CONSTANT(SOCK_DGRAM), CONSTANT(SOCK_RAW),
    CONSTANT(SOCK_SEQPACKET), CONSTANT(SOCK_DCCP),  {NULL, 0},
};
const struct constant PROTOCOLS[] = {
    CONSTANT(IPPROTO_IP),   CONSTANT(IPPROTO_ICMP),    CONSTANT(IPPROTO_TCP),    CONSTANT(IPPROTO_UDP),
    CONSTANT(IPPROTO_DCCP), CONSTANT(IPPROTO_ICMPV6),  CONSTANT(IPPROTO_SCTP),   CONSTANT(IPPROTO_UDPLITE),
    CONSTANT(IPPROTO_RAW),  {NULL, 0},
};
const struct constant AI_FLAGS[] = {
    CONSTANT(AI_PASSIVE), CONSTANT(AI_CANONNAME),  CONSTANT(AI_NUMERICHOST), CONSTANT(AI_V4MAPPED),
    CONSTANT(AI_ALL),     CONSTANT(AI_ADDRCONFIG), CONSTANT(AI_NUMERICSERV), {NULL, 0},
};
const struct constant NI_FLAGS[] = {
    CONSTANT(NI_NUMERICHOST), CONSTANT(NI_NUMERICSERV), CONSTANT(NI_NOFQDN),
    CONSTANT(NI_NAMEREQD),    CONSTANT(NI_DGRAM),       {NULL, 0},
};

static const char *name_of(const struct constant *table, int value, char *number, size_t room)
{
    for (; table->name != NULL; table++)
        if (table->value == value && value != 0) return table->name;
    snprintf(number, room, "%d", value);
    return number;
}

const char *family_name(int value)
{
    static char number[16];
    return name_of(FAMILIES, value, number, sizeof number);
}

const char *type_name(int value)
{
    static char number[16];
    return name_of(TYPES, value, number, sizeof number);
}

const char *protocol_name(int value)
{
    static char number[16];
    return name_of(PROTOCOLS, value, number, sizeof number);
}

/* What all names of a table begin with: AF_. */
static int prefix(const struct constant *table)
{
    return (int)strcspn(table->name, "_") + 1;
}

/* The names of a table, for an error's line. */
static const char *names(const struct constant *table)
{
    static char text[256];
    size_t end = 0;
    for (; table->name != NULL; table++)
        end += (size_t)snprintf(text + end, sizeof text - end, "%s%s", end == 0 ? "" : ", ", table->name);
    return text;
}

/* The constant of this name: as C has it, or in short (AF_INET6 is inet6). */
static const struct constant *find(const struct constant *table, const char *text, size_t length)
{
    int skip = prefix(table);
    for (; table->name != NULL; table++) {
        if (strlen(table->name) == length && memcmp(table->name, text, length) == 0) return table;
        const char *name = table->name + skip;
        size_t same = 0;
        while (same < length && name[same] != '\0' && tolower(name[same]) == text[same])
            same++;
        if (same == length && name[same] == '\0') return table;
    }
    return NULL;
}

int number_of(const struct constant *table, const char *option, const char *text)
{
    if (text == NULL) return 0;
    const struct constant *found = find(table, text, strlen(text));
    if (found != NULL) return found->value;
    unsigned long number;
    if (!whole_number(text, INT_MAX, &number))
        usage("invalid value '%s' for '%s': there are %s, the same without %.*s in small letters, and numbers",
              shown(text), option, names(table), prefix(table), table->name);
    return (int)number;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v');
}

int flags_of(const struct constant *table, const char *text)
{
    if (text == NULL) return 0;
    int flags = 0;
    for (const char *name = text;; name++) {
        const char *end = name + strcspn(name, "|,");
        const char *first = name, *last = end;
        while (first < last && is_blank(*first))
            first++;
        while (first < last && is_blank(last[-1]))
            last--;
        const struct constant *found = find(table, first, (size_t)(last - first));
        if (found == NULL)
            usage("invalid value '%s' for '--flags <FLAGS>': no flag '%s': there are %s, joined by | or ,",
                  shown(text), printable_line(first, (size_t)(last - first)), names(table));
        flags |= found->value;
        if (*end == '\0') return flags;
        name = end;
    }
}
