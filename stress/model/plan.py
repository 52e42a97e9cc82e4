# SPDX-License-Identifier: MIT
"""Plan: everything that decides what a run does, as one immutable value."""

from enum import StrEnum
from typing import Literal

import msgspec


class Ports(StrEnum):
    """Where an attempt's source port comes from."""

    KERNEL = "kernel"  # connect() chooses
    NO_PORT = "no-port"  # connect() chooses, after bind() of the source with IP_BIND_ADDRESS_NO_PORT
    RANGE = "range"  # connect() chooses within IP_LOCAL_PORT_RANGE: all of the range, odd and even alike since 6.8
    BIND = "bind"  # bind() to port 0 chooses
    SWEEP = "sweep"  # every port of the range in turn
    SHUFFLE = "shuffle"  # every port of the range once a sweep, in an order drawn from the seed

    @property
    def sweeping(self) -> bool:
        """Whether the plan itself walks through the port range."""
        return self in (Ports.SWEEP, Ports.SHUFFLE)


class Close(StrEnum):
    """How a connected socket is ended."""

    FIN = "fin"  # close(): FIN, then FIN_WAIT_2 or TIME_WAIT on the client
    RST = "rst"  # close() with SO_LINGER 0: RST, the port is free at once
    HOLD = "hold"  # left open until the storm is over


class Release(StrEnum):
    """How the client's side of a mine leaves FIN_WAIT_2, so that its port can be used again."""

    NO_BUCKETS = "no-buckets"  # net.ipv4.tcp_max_tw_buckets=0 while mines are laid: at once
    LINGER2 = "linger2"  # TCP_LINGER2 of 1 s on the client socket: no sysctl, no privilege
    FIN_TIMEOUT = "fin-timeout"  # net.ipv4.tcp_fin_timeout is waited for, as in the article


class Drop(StrEnum):
    """What a filter on the server's sockets throws away."""

    NOTHING = "nothing"
    RST = "rst"


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run does. ``stress.storm.check`` says in sentences which values go together.

    Attributes:
        scenario: name in the catalogue.
        attempts: number of connect() calls; None when ``sweeps`` or ``duration_s`` decides.
        sweeps: passes over the whole port range, for the sweeping port policies.
        duration_s: no attempt starts later than this after the first.
        warmup: how many of the first attempts are marked as warm-up.
        mines: CLOSE_WAIT sockets to lay before the storm.
        release: how the mines' client ports become free.
        window: most attempts in flight at one moment.
        deadline_s: an attempt is given up after this long; None waits for the kernel's own ETIMEDOUT.
        seed: of the mines' places and of shuffled sweeps.
        port_range: net.ipv4.ip_local_port_range inside the lab; None leaves the kernel's.
        sysctls: further settings inside the lab, by dotted name.
        pin: put the client on one CPU and the listener on another, where there are two.
        host: use the host's own network stack instead of a private namespace.
    """

    scenario: str
    attempts: int | None = None
    sweeps: int | None = None
    duration_s: float | None = None
    warmup: int = 0
    mines: int = 0
    release: Release = Release.NO_BUCKETS
    ports: Ports = Ports.KERNEL
    close: Close = Close.RST
    drop: Drop = Drop.NOTHING
    window: int = 1024
    deadline_s: float | None = None
    seed: int = 1
    family: Literal[4, 6] = 4
    source: str = "127.0.0.1"
    target: str = "127.0.0.1"
    target_port: int = 5000
    port_range: tuple[int, int] | None = None
    sysctls: dict[str, str] = {}
    pin: bool = True
    host: bool = False
