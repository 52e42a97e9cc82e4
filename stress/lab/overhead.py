# SPDX-License-Identifier: MIT
"""The overhead of recording an attempt on this machine."""

from stress._reference import calibrate
from stress.lab import reachability
from stress.model.record import Overhead


def measure_overhead(source: str, target: str, port: int) -> Overhead:
    """Measure it on one connection to a socket of this process, in some ten milliseconds.

    It is also the first connection of a run: where none can be made, the error says why.

    Raises:
        UsageError, NotApplicableError, LabError: as ``reachability.connect_once``.
    """
    with reachability.connect_once(source, target, port) as client:
        return Overhead(**calibrate(client.fileno()))
