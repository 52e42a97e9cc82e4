/* SPDX-License-Identifier: MIT
 * What Cython cannot express: the monotonic clock, and constants that are missing in old headers. */
#ifndef CONNSTORM_COMPAT_H
#define CONNSTORM_COMPAT_H

#include <stdint.h>
#include <time.h>
#include <netinet/in.h>
#include <linux/tcp.h> /* glibc's netinet/tcp.h ends tcp_info before the newer fields */

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262 /* Linux 5.6 */
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24 /* Linux 4.2 */
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* Linux 6.3 */
#endif

/* Begin to fetch the cache line of a record that will soon be written. */
static inline void prefetch_to_write(const void *where)
{
    __builtin_prefetch(where, 1);
}

/* CLOCK_MONOTONIC in ns, the only clock that measures. Reading it cannot fail. */
static inline int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#endif
