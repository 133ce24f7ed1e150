/* What the resolver's functions do alike: read their arguments, print what they have found, say why they
   have not. Its counterparts in Rust are src/cli/resolve.rs and src/tool/resolve/. */

#ifndef RESOLVE_COMMON_H
#define RESOLVE_COMMON_H

#include <netdb.h>

#include "../common.h"

/* A name on one line, with nothing that a terminal would obey; until it is called twice more. */
const char *shown(const char *text);

/* What a command line may have, and what it has: a word, <LIKE> this or, if it may be left out, [LIKE] this,
   has no metavar; an option has one. What is not given is NULL. A list ends with one that has no name. */
struct given {
    const char *name;
    const char *metavar;
    const char *value;
};

/* Reads the command line. A mistake is exit status 1, as getent's. */
void arguments(int argc, char **argv, const char *call, struct given *given);

/* A constant of C and its value. A table ends with one whose name is NULL. */
struct constant {
    const char *name;
    int value;
};
extern const struct constant FAMILIES[], TYPES[], PROTOCOLS[], AI_FLAGS[], NI_FLAGS[];

/* The constant's name, or the number itself; 0 is no choice, so it has no name. Until the next call of
   the same table. */
const char *family_name(int value);
const char *type_name(int value);
const char *protocol_name(int value);

/* The value that an option names: a constant, in C's words or in short, or a number; 0 for NULL. */
int number_of(const struct constant *table, const char *option, const char *text);

/* The flags that an option names, joined by | or ,; 0 for NULL. */
int flags_of(const struct constant *table, const char *text);

/* A port, in digits. */
unsigned short port(const char *text);

/* Refuses a service that is a number, as strtoul() reads it, and no port: glibc lets those beyond 65535
   wrap, 99999 would be 34463; and those below 0 it looks up as names. */
void refuse_no_port(const char *service);

/* The line that says why there is no answer, with what was asked for, and exit status 2. `second` is NULL
   where the function takes one argument; an argument that is NULL is given as "NULL". */
_Noreturn void not_found(const char *call, const char *why, const char *first, const char *second,
                         const char *remedy);

/* The text is no address: exit status 1. */
_Noreturn void no_address(const char *text);

/* The fields of a struct. */
void say_host(const struct hostent *host);
void say_service(const struct servent *service);
void say_protocol(const struct protoent *protocol);

#endif
