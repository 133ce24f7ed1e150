#include "time.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* Nothing, or a short line without digits: a person's "hello", a program's "time". */
static bool is_request(const char *datagram, size_t length)
{
    if (length > DATAGRAM_MAX) return false;
    for (size_t i = 0; i < length; i++) {
        char byte = datagram[i];
        bool word = (byte >= ' ' && byte <= '/') || (byte >= ':' && byte <= '~');
        if (!word && byte != '\t' && byte != '\r' && byte != '\n') return false;
    }
    return true;
}

static unsigned port(const struct sockaddr_storage *addr)
{
    switch (addr->ss_family) {
    case AF_INET: return ntohs(((const struct sockaddr_in *)addr)->sin_port);
    case AF_INET6: return ntohs(((const struct sockaddr_in6 *)addr)->sin6_port);
    default: return 0;
    }
}

size_t tell(long now, enum format format, char answer[TIME_MAX])
{
    time_t seconds = now;
    struct tm tm;
    size_t length = 0;
    switch (format) {
    case HUMAN:
        if (localtime_r(&seconds, &tm) == NULL) return 0;
        length = strftime(answer, TIME_MAX, "%a %b %e %H:%M:%S %Y\n", &tm);
        break;
    case ISO8601:
        if (gmtime_r(&seconds, &tm) == NULL) return 0;
        length = strftime(answer, TIME_MAX, "%Y-%m-%dT%H:%M:%SZ\n", &tm);
        break;
    case DAYTIME:
        if (localtime_r(&seconds, &tm) == NULL) return 0;
        length = strftime(answer, TIME_MAX, "%A, %B %d, %Y %H:%M:%S-%Z\r\n", &tm);
        break;
    case TIME: {
        /* RFC 868's clock has 32 bits and starts anew in 2036. */
        uint32_t rfc868 = htonl((uint32_t)(seconds + EPOCHS_APART));
        memcpy(answer, &rfc868, sizeof rfc868);
        length = sizeof rfc868;
        break;
    }
    }
    return is_request(answer, length) ? 0 : length;
}

bool is_answerable(const char *request, size_t length, const struct sockaddr_storage *cliaddr)
{
    return is_request(request, length) && port(cliaddr) >= IPPORT_RESERVED;
}

size_t handle_datagram(const char *request, size_t length, const struct sockaddr_storage *cliaddr,
                       enum format format, char answer[TIME_MAX])
{
    return is_answerable(request, length, cliaddr) ? tell(time(NULL), format, answer) : 0;
}
