/* Iterative; an answer that can't be sent ends it. */

#include <unistd.h>

#include "common.h"

int main(int argc, char **argv)
{
    int listenfd = listening(argc, argv), connfd;
    while ((connfd = next_client(listenfd)) != -1) {
        serving(connfd);
        struct exchange exchange = exchange_new(max_n);
        while (advance(&exchange, connfd) != DONE)
            continue;
        /* The fault: a lost client is treated as a failure of the server. */
        if (is_answering(&exchange)) die("send");
        served();
        (void)close(connfd);
    }
    if (close(listenfd) == -1) die("close");
}
