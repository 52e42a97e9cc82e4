# SPDX-License-Identifier: MIT
"""The ephemeral port range of a namespace, and the random generators of a seed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.lab import sysctl


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
