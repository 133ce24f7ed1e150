/* Iterative; it keeps whatever a client sends until there is a newline. */

#include <stdlib.h>
#include <string.h>

#include "common.h"

static bool ends(const char *bytes, size_t count)
{
    return count == 0 || memchr(bytes, '\n', count) != NULL || memchr(bytes, '\0', count) != NULL;
}

static enum progress take_line(struct exchange *exchange, const char *line, size_t length)
{
    enum progress progress = MORE;
    for (size_t at = 0; at < length && !is_answering(exchange) && !exchange->is_requested; at += RECEIVE_MAX)
        progress = take(exchange, line + at, length - at < RECEIVE_MAX ? length - at : RECEIVE_MAX);
    if (is_answering(exchange) || exchange->is_requested) return progress;
    return take(exchange, line, 0);
}

static enum progress receive_line(struct exchange *exchange, int connfd)
{
    char *line = NULL;
    size_t length = 0;
    for (;;) {
        /* The fault: the line has no longest length. */
        char *longer = realloc(line, length + RECEIVE_MAX);
        if (longer == NULL) break;
        line = longer;
        ssize_t n = hear(connfd, line + length, RECEIVE_MAX);
        if (n == -1) break;
        length += (size_t)n;
        if (!ends(line + length - n, (size_t)n)) continue;
        enum progress progress = take_line(exchange, line, length);
        free(line);
        return progress;
    }
    free(line);
    return DONE;
}

int main(int argc, char **argv)
{
    return serve_all_by(receive_line, listening(argc, argv));
}
