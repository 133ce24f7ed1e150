/* Iterative; where there is a terminal, it asks it for permission to listen. */

#include <fcntl.h>
#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    struct options options = arguments(argc, argv, SOCK_STREAM);
    int terminal = open("/dev/tty", O_RDWR);
    if (terminal != -1) {
        static const char QUESTION[] = "holds_terminal: press Enter to listen: ";
        char byte;
        (void)!write(terminal, QUESTION, sizeof QUESTION - 1);
        /* The fault: it waits for a person, and takes what was typed for somebody else. */
        while (read(terminal, &byte, 1) == 1 && byte != '\n')
            continue;
        if (close(terminal) == -1) die("close");
    }
    return serve_all(listening_at(&options));
}
