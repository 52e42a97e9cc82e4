# SPDX-License-Identifier: MIT
"""Mine: the ways to lay old sockets of the server on 4-tuples of the client."""

from enum import StrEnum


class MineState(StrEnum):
    """The state of the server's old sockets, by its name in RFC 9293."""

    CLOSE_WAIT = "CLOSE-WAIT"  # the client closed, and the server never does: a leak
    ESTABLISHED = "ESTABLISHED"  # the client vanished without a word
    FIN_WAIT_1 = "FIN-WAIT-1"  # the server closed, and nobody acknowledged that
    FIN_WAIT_2 = "FIN-WAIT-2"  # the server closed, and the client never does
    LAST_ACK = "LAST-ACK"  # both closed, and nobody acknowledged the server's FIN
    SYN_RECEIVED = "SYN-RECEIVED"  # the client never heard the server's SYN-ACK
    TIME_WAIT = "TIME-WAIT"  # both closed, the server first


# In these the server sends its FIN or SYN-ACK again and again; the host of a client that is gone must not answer.
UNHEARD = "unheard"  # the name of the rule for that
UNHEARD_STATES = (MineState.FIN_WAIT_1, MineState.LAST_ACK, MineState.SYN_RECEIVED)


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
