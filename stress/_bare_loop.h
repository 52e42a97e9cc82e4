/* SPDX-License-Identifier: MIT
 * The bare loop: socket(), connect(), close() and nothing else, no timestamp, no record, one attempt at a time. The
 * engine is compared with it, by `connstorm doctor --speed` and by the benchmarks. */
#ifndef CONNSTORM_BARE_LOOP_H
#define CONNSTORM_BARE_LOOP_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* linux/in.h; glibc has it since 2.39 */
#endif

enum { BARE_FIN, BARE_RST, BARE_DISCONNECT };

/* Make blocking attempts over IPv4, to each port of the server in turn; returns 0, or the errno of the first that
 * failed. Each takes the next of the ports, as the engine does: by bind() to it and the source or, when the socket is
 * used again, as the only port of its port range. Without a list connect() chooses the port, and the source too. */
static int bare_loop(struct sockaddr_in source, struct sockaddr_in server, int server_ports, long attempts,
                     int close_by, const uint16_t *ports, long port_count)
{
    const uint16_t first = ntohs(server.sin_port);
    const struct linger reset = {1, 0};
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    int fd = -1;
    for (long i = 0; i < attempts; i++) {
        server.sin_port = htons(first + i % server_ports);
        if (fd < 0 && (fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
            return errno;
        if (port_count && close_by == BARE_DISCONNECT) {
            const uint32_t range = (uint32_t)ports[i % port_count] << 16 | ports[i % port_count];
            setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof range);
        } else if (port_count) {
            source.sin_port = htons(ports[i % port_count]);
        }
        if ((source.sin_port && bind(fd, (const struct sockaddr *)&source, sizeof source) != 0) ||
            connect(fd, (const struct sockaddr *)&server, sizeof server) != 0) {
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
