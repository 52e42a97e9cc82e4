# SPDX-License-Identifier: MIT
"""Mine: the ways to lay old sockets of the server on 4-tuples of the client."""

from enum import StrEnum


class Laying(StrEnum):
    """Which ports get mines."""

    SEED = "seed"  # drawn from the seed
    CLIENTS = "clients"  # those that clients use: connect() chooses one half, bind() to port 0 the other


class Isn(StrEnum):
    """The initial sequence numbers of the connections that become mines."""

    KERNEL = "kernel"  # as usual: a clock of 64 ns and a hash (RFC 6528)
    RANDOM = "random"  # set through TCP_REPAIR, so that half of them are ahead of what the kernel will choose


class Release(StrEnum):
    """How the client's side of a mine leaves FIN_WAIT_2, so that its port can be reused."""

    NO_BUCKETS = "no-buckets"  # net.ipv4.tcp_max_tw_buckets=0 while mines are laid: at once
    LINGER2 = "linger2"  # TCP_LINGER2 of 1 s on the client socket: no sysctl, no privilege
    FIN_TIMEOUT = "fin-timeout"  # wait for net.ipv4.tcp_fin_timeout, as in the article
    KEEP = "keep"  # it stays there: the storm begins while the ports are in FIN_WAIT_2
