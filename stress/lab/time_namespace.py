# SPDX-License-Identifier: MIT
"""The time namespace of this process, which has a CLOCK_MONOTONIC of its own (time_namespaces(7)). Imports no numpy."""

from pathlib import Path

from stress.model.errors import LabError
from stress.model.units import SECOND_NS

OFFSETS = Path("/proc/self/timens_offsets")  # of the namespace that children get
OURS, CHILDRENS = Path("/proc/self/ns/time"), Path("/proc/self/ns/time_for_children")


def read_ahead_ns() -> int:
    """Return how far the CLOCK_MONOTONIC of this process is ahead of the host's, which the kernel's own times are of.

    Raises:
        LabError: it cannot be told.
    """
    try:
        if OURS.readlink() != CHILDRENS.readlink():
            raise LabError(
                "The kernel's times cannot be compared with this process's: it made a time namespace for its children "
                "and is not in it; start connstorm with unshare --time --fork."
            )
        lines = [line.split() for line in OFFSETS.read_text().splitlines()]
    except FileNotFoundError:
        return 0  # a kernel without time namespaces: Linux before 5.6, or CONFIG_TIME_NS=n
    except OSError as error:
        raise LabError(
            f"{OFFSETS} cannot be read: {error.strerror}; mount /proc (mount -t proc proc /proc)."
        ) from error
    return next(int(seconds) * SECOND_NS + int(ns) for clock, seconds, ns in lines if clock == "monotonic")
