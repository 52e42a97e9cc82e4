/* SPDX-License-Identifier: MIT
 * Loops that the engine and the listener were chosen against.
 *
 * loops recheck PORT ATTEMPTS   non-blocking connect(), and again: what the engine does
 * loops epoll PORT ATTEMPTS     non-blocking connect(), then epoll for each attempt
 * loops accept PORT             a server that blocks in accept() and closes, until it is ended
 *
 * The first two print how long they took in ns. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int fail(const char *what)
{
    perror(what);
    return 1;
}

static int serve(const struct sockaddr_in *address)
{
    const int listening = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listening, (const struct sockaddr *)address, sizeof *address) || listen(listening, 65535))
        return fail("bind");
    puts("ready");
    fflush(stdout);
    for (;;)
        close(accept(listening, NULL, NULL));
}

int main(int count, char **arguments)
{
    if (count < 3)
        return 2;
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(atoi(arguments[2])),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr *server = (const struct sockaddr *)&address;
    if (!strcmp(arguments[1], "accept"))
        return serve(&address);
    const int by_epoll = !strcmp(arguments[1], "epoll"), epoll = epoll_create1(0);
    const struct linger reset = {1, 0};
    const long attempts = atol(arguments[3]);
    const long long start = now_ns();
    for (long i = 0; i < attempts; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(fd, server, sizeof address) != 0) {
            if (errno != EINPROGRESS)
                return fail("connect");
            if (by_epoll) {
                struct epoll_event event = {.events = EPOLLOUT};
                int error;
                socklen_t size = sizeof error;
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
                epoll_wait(epoll, &event, 1, -1);
                getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
            } else if (connect(fd, server, sizeof address) != 0)
                return fail("connect again");
        }
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
    printf("%lld\n", now_ns() - start);
    return 0;
}
