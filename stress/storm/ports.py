# SPDX-License-Identifier: MIT
"""The ephemeral port range of a namespace, and the random generators of a seed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab import sysctl
from stress.model.plan import Close, Plan, Serve
from stress.model.run import PORTS


@dataclass(frozen=True)
class PortRange:
    """The ports from ``low`` to ``high`` inclusive, without those that are reserved.

    Attributes:
        usable: shape (ports,), uint16, ascending.
    """

    low: int
    high: int
    usable: npt.NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.usable)


def read_port_range(server_ports: range, planned: tuple[int, int] | None = None) -> PortRange:
    """Return this namespace's ephemeral ports without the server's, from which a client would connect to itself.

    Args:
        server_ports: of the server.
        planned: the first and the last port that there will be; None: as there are now.
    """
    low, high = planned or sysctl.read_port_range()
    excluded = sysctl.parse_ports(sysctl.read(sysctl.RESERVED_PORTS) or "") | set(server_ports)
    usable = [port for port in range(low, high + 1) if port not in excluded]
    return PortRange(low, high, np.array(usable, np.uint16))


def seeded_generators(seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Return two independent generators of one seed: for the mines' places, and for the storm's order."""
    mines, storm = np.random.SeedSequence(seed).spawn(2)
    return np.random.default_rng(mines), np.random.default_rng(storm)


def watched_ports(plan: Plan, mines: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return on which ports a SYN may be sent again at once, shape (65536,): those with a mine, or to get one.

    Nothing but a segment from an old socket on the same 4-tuple hastens a SYN's resend. On the host's own stack there
    may be such sockets anywhere.
    """
    leaves_mines = plan.serve is Serve.LEAK and plan.close is Close.FIN
    ports = np.full(PORTS, leaves_mines or plan.host, np.uint8)
    ports[mines["local_port"]] = 1
    return ports
