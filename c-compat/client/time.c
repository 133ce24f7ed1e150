/* UDP Time Service: the client. A datagram may be lost, so it asks up to three times. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common.h"

enum { TRIES = 3 }; /* how often it asks */

int main(int argc, char **argv)
{
    const char *words[2] = {"localhost", "9000"};
    struct timeval timeout = {.tv_sec = 1};
    int given = 0;
    for (int i = 1; i < argc; i++) {
        const char *value;
        if (option(argc, argv, &i, "--timeout", "S", &value))
            timeout = seconds_of("--timeout <S>", value);
        else if (argv[i][0] == '-' || given == 2)
            unexpected(argv[i]);
        else
            words[given++] = argv[i];
    }
    const char *host = words[0];
    unsigned short port = port_of("[PORT]", words[1]);

    int sockfd = connect_to(host, port, SOCK_DGRAM, timeout);
    char answer[512 + 1];
    ssize_t length;
    int tries = 0;
    for (;;) {
        tries++;
        if (send(sockfd, "", 0, 0) == -1) client_dies("send", host, port);
        length = recv(sockfd, answer, sizeof answer - 1, 0);
        if (length != -1) break;
        if ((errno != EAGAIN && errno != EINTR) || tries == TRIES) client_dies("recv", host, port);
    }
    if (close(sockfd) == -1) die("close");

    uint32_t rfc868;
    /* RFC 868: seconds since 1900 in four bytes; the other formats are longer. */
    if (length == sizeof rfc868) {
        memcpy(&rfc868, answer, sizeof rfc868);
        length = (ssize_t)tell((long)ntohl(rfc868) - EPOCHS_APART, HUMAN, answer);
    }
    while (length > 0 && (answer[length - 1] == '\n' || answer[length - 1] == '\r'))
        length--;
    printf("%.*s\n", (int)length, answer);
    if (fflush(stdout) == EOF) die("write");
}
