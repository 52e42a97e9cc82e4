/* SPDX-License-Identifier: MIT
 * bare_loop PORT ATTEMPTS fin|rst|disconnect [BEGIN_NS]: the bare loop against 127.0.0.1:PORT, from a moment
 * (CLOCK_MONOTONIC, ns) on; prints how long it took in ns. */
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
    if (count < 4)
        return 2;
    const struct sockaddr_in server = {.sin_family = AF_INET,
                                       .sin_port = htons(atoi(arguments[1])),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int close_by = !strcmp(arguments[3], "fin") ? BARE_FIN
                         : !strcmp(arguments[3], "rst") ? BARE_RST
                                                        : BARE_DISCONNECT;
    const long long begin = count > 4 ? atoll(arguments[4]) : 0;
    while (now_ns() < begin)
        ;
    const long long start = now_ns();
    const int error = bare_loop(&server, atol(arguments[2]), close_by, NULL, 0);
    if (error) {
        fprintf(stderr, "bare_loop: %s\n", strerror(error));
        return 1;
    }
    printf("%lld\n", now_ns() - start);
    return 0;
}
