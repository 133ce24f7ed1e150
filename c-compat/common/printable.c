/* What others said, on a terminal. Its counterpart in Rust is `printable` in src/cli/mod.rs. */

#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* How many bytes the first character has, or what is there in place of one. */
static size_t character(const unsigned char *bytes, size_t length, bool *valid)
{
    unsigned char first = bytes[0], low = 0x80, high = 0xbf;
    size_t following = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    *valid = first < 0x80 || (first >= 0xc2 && first <= 0xf4);
    if (!*valid) return 1;
    /* The shortest form only, no surrogates, nothing beyond U+10FFFF. */
    switch (first) {
    case 0xe0: low = 0xa0; break;
    case 0xed: high = 0x9f; break;
    case 0xf0: low = 0x90; break;
    case 0xf4: high = 0x8f; break;
    default: break;
    }
    for (size_t i = 1; i <= following; i++) {
        *valid = i < length && bytes[i] >= low && bytes[i] <= high;
        if (!*valid) return i;
        low = 0x80;
        high = 0xbf;
    }
    return following + 1;
}

const char *printable(const char *said, size_t length)
{
    static char *text;
    text = realloc(text, 3 * length + 1); /* U+FFFD has three bytes */
    if (text == NULL) die("realloc");
    const unsigned char *bytes = (const unsigned char *)said;
    while (length > 0 && (bytes[length - 1] == '\n' || bytes[length - 1] == '\r'))
        length--;
    size_t i = 0, end = 0;
    while (i < length) {
        bool valid;
        size_t count = character(bytes + i, length - i, &valid);
        unsigned char first = bytes[i];
        bool control = first < ' ' || first == 0x7f || (count == 2 && first == 0xc2 && bytes[i + 1] < 0xa0);
        const char *shown = said + i;
        size_t width = count;
        if (!valid) {
            shown = "\xef\xbf\xbd";
            width = 3;
        } else if (first == '\r' && i + 1 < length && bytes[i + 1] == '\n') {
            width = 0;
        } else if (control && first != '\n') {
            shown = "?";
            width = 1;
        }
        memcpy(text + end, shown, width);
        end += width;
        i += count;
    }
    text[end] = '\0';
    return text;
}

const char *printable_line(const char *said, size_t length)
{
    static char *lines[2];
    static int next;
    next = !next;
    free(lines[next]);
    lines[next] = strdup(printable(said, length));
    if (lines[next] == NULL) die("strdup");
    for (char *end = strchr(lines[next], '\n'); end != NULL; end = strchr(end, '\n'))
        *end = '?';
    return lines[next];
}
