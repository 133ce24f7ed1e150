/* gethostbyname(): the IPv4 addresses of a host, from the files and from DNS. */

#include "common.h"

int main(int argc, char **argv)
{
    struct given given[] = {{"<NAME>", NULL, NULL}, {0}};
    arguments(argc, argv, "gethostbyname", given);
    const char *name = given[0].value;

    struct hostent *host = gethostbyname(name);
    if (host == NULL)
        not_found("gethostbyname", hstrerror(h_errno), name, NULL,
                  h_errno == TRY_AGAIN ? "; no name server has an answer" : "");
    say_host(host);
}
