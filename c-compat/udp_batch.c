/* UDP Time Service - In batches */

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common.h"
#include "service/time.h"

enum { BATCH = 64 }; /* how many datagrams are taken at once */

int main(int argc, char **argv)
{
    struct options options = server_options(argc, argv, "udp_batch", SOCK_DGRAM, TAKES_FORMAT);
    struct sockaddr *servaddr = (struct sockaddr *)&options.servaddr;
    int sockfd = socket(servaddr->sa_family, SOCK_DGRAM, 0);
    if (sockfd == -1) die("socket");
    if (bind(sockfd, servaddr, options.servaddrlen) == -1) die("bind");
    ready("udp_batch", sockfd);

    char bufs[BATCH][DATAGRAM_MAX + 1];
    struct sockaddr_storage cliaddrs[BATCH];
    struct iovec iovs[BATCH];
    struct mmsghdr requests[BATCH], answers[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        iovs[i] = (struct iovec){.iov_base = bufs[i], .iov_len = sizeof bufs[i]};
        requests[i].msg_hdr = (struct msghdr){.msg_name = &cliaddrs[i], .msg_iov = &iovs[i], .msg_iovlen = 1};
    }
    for (;;) {
        for (size_t i = 0; i < BATCH; i++)
            requests[i].msg_hdr.msg_namelen = sizeof cliaddrs[i];
        int received = recvmmsg(sockfd, requests, BATCH, MSG_WAITFORONE, NULL);
        if (received == -1) {
            if (survive("recvmmsg")) pause_a_while();
            continue;
        }
        if (stopping) break;
        char answer[TIME_MAX];
        size_t length = tell(time(NULL), options.format, answer);
        if (length == 0) continue;
        struct iovec iov = {.iov_base = answer, .iov_len = length};
        unsigned unsent = 0;
        for (int i = 0; i < received; i++) {
            if (!is_answerable(bufs[i], requests[i].msg_len, &cliaddrs[i])) continue;
            answers[unsent++].msg_hdr = (struct msghdr){.msg_name = &cliaddrs[i],
                                                        .msg_namelen = requests[i].msg_hdr.msg_namelen,
                                                        .msg_iov = &iov,
                                                        .msg_iovlen = 1};
        }
        struct mmsghdr *next = answers;
        while (unsent > 0) {
            /* A client that can't be reached is its own trouble; the next one's turn has come. */
            int sent = sendmmsg(sockfd, next, unsent, 0);
            if (sent == -1) sent = 1;
            next += sent;
            unsent -= (unsigned)sent;
        }
    }
    if (close(sockfd) == -1) die("close");
}
