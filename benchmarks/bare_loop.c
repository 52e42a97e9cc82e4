/* SPDX-License-Identifier: MIT
 * bare_loop PORT PORTS ATTEMPTS fin|rst|disconnect BEGIN_NS: the bare loop against so many ports of 127.0.0.1, from a
 * moment (CLOCK_MONOTONIC, ns) on; prints how long it took in ns. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "_bare_loop.h"

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int count, char **arguments)
{
    if (count != 6)
        return 2;
    const struct sockaddr_in server = {.sin_family = AF_INET,
                                       .sin_port = htons(atoi(arguments[1])),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int close_by = !strcmp(arguments[4], "fin") ? BARE_FIN
                         : !strcmp(arguments[4], "rst") ? BARE_RST
                                                        : BARE_DISCONNECT;
    const long long begin = atoll(arguments[5]);
    while (now_ns() < begin)
        ;
    const long long start = now_ns();
    const int error = bare_loop((struct sockaddr_in){0}, server, atoi(arguments[2]), atol(arguments[3]), close_by, NULL, 0);
    if (error) {
        fprintf(stderr, "bare_loop: %s\n", strerror(error));
        return 1;
    }
    printf("%lld\n", now_ns() - start);
    return 0;
}
