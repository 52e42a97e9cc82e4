/* SPDX-License-Identifier: MIT
 * The client engine's system calls and nothing else: no stamp, no record, no straggler kept.
 *
 * bare_loop PORT ATTEMPTS: storms 127.0.0.1:PORT with reset close; prints how long that took in ns. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int count, char **arguments)
{
    if (count != 3)
        return 2;
    const struct sockaddr_in server = {.sin_family = AF_INET,
                                       .sin_port = htons(atoi(arguments[1])),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct linger reset = {1, 0};
    const long attempts = atol(arguments[2]);
    const long long start = now_ns();
    for (long i = 0; i < attempts; i++) {
        struct sockaddr_in name;
        struct tcp_info info;
        socklen_t size = sizeof name, info_size = sizeof info;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(fd, (const struct sockaddr *)&server, sizeof server) != 0 &&
            (errno != EINPROGRESS || connect(fd, (const struct sockaddr *)&server, sizeof server) != 0)) {
            perror("bare_loop: connect");
            return 1;
        }
        getsockname(fd, (struct sockaddr *)&name, &size);
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_size);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
    printf("%lld\n", now_ns() - start);
    return 0;
}
