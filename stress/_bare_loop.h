/* SPDX-License-Identifier: MIT
 * The bare loop: socket(), connect(), close() and nothing else, no stamp, no record, one attempt at a time. It is what
 * the engine is measured against, by `connstorm doctor --speed` and by the benchmarks. */
#ifndef CONNSTORM_BARE_LOOP_H
#define CONNSTORM_BARE_LOOP_H

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BARE_FIN, BARE_RST, BARE_DISCONNECT };

/* Make so many blocking attempts; returns 0, or the errno of the first that failed. */
static int bare_loop(const struct sockaddr *server, socklen_t size, long attempts, int close_by)
{
    const struct linger reset = {1, 0};
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    int fd = -1;
    for (long i = 0; i < attempts; i++) {
        if (fd < 0 && (fd = socket(server->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
            return errno;
        if (connect(fd, server, size) != 0) {
            const int error = errno;
            close(fd);
            return error;
        }
        if (close_by == BARE_DISCONNECT) {
            connect(fd, &nowhere, sizeof nowhere);
            continue;
        }
        if (close_by == BARE_RST)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        close(fd);
    return 0;
}

#endif
