/* The time service over UDP: one datagram in, one datagram with the time out.

   Not every datagram is a request. If it were, one datagram with a forged sender could make two
   servers answer each other's answers for ever (CVE-2024-2169). So a request has no digit in it,
   while every answer in words has; an answer that could be taken for a request (RFC 868's four
   bytes, in some seconds from 2040 on) is not sent; and the well-known ports, where other services
   answer anything, are not answered. */

#ifndef SERVICE_TIME_H
#define SERVICE_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { DATAGRAM_MAX = 64 }; /* the longest request, in bytes */
enum { TIME_MAX = 64 };     /* room for any answer */

/* How the time is told: in words, local time; ISO 8601; RFC 867; RFC 868. */
enum format { HUMAN, ISO8601, DAYTIME, TIME };

/* Writes the time now to `answer` and returns its length, or 0 if the datagram is no request or its
   sender may not be answered. */
size_t handle_datagram(const char *request, size_t length, const struct sockaddr_storage *cliaddr,
                       enum format format, char answer[TIME_MAX]);

/* Whether the datagram is a request and its sender may be answered. */
bool is_answerable(const char *request, size_t length, const struct sockaddr_storage *cliaddr);

/* Writes the time `now`, unless it would look like a request: then the length is 0. */
size_t tell(long now, enum format format, char answer[TIME_MAX]);

/* From RFC 868's epoch, 1900, to Unix's, 1970, in seconds. */
#define EPOCHS_APART 2208988800L

#endif
