# SPDX-License-Identifier: MIT
"""The attempt record: one connect() and what became of it, in 32 bytes."""

from typing import Any

import numpy as np
import numpy.typing as npt

# Written by stress._fastconnect, which refuses to load when its C struct differs from this. It is also what
# attempts.npy holds. Little-endian, no hidden padding.
ATTEMPT = np.dtype(
    [
        ("start_ns", "<i8"),  # just before the first connect(), since the run's epoch (CLOCK_MONOTONIC)
        ("latency_ns", "<i8"),  # from there until the socket was seen connected or failed
        ("close_ns", "<u4"),  # the close() call alone; 0 when the socket was not connected or is held
        ("lag_us", "<u4"),  # paced load: start behind the intended start; 0 in a closed loop
        ("local_port", "<u2"),  # 0 when the kernel had not given one, or took it back
        ("address", "<u2"),  # number of its source and target: record.Address
        ("error", "u1"),  # errno; 0 = connected, EINPROGRESS = not ended when the storm did
        ("retransmits", "u1"),  # SYNs sent again: tcpi_total_retrans
        ("phase", "u1"),  # 0 = warm-up, 1 = storm
        ("worker", "u1"),
    ]
)

WARM_UP, STORM = 0, 1


def allocate_attempts(count: int) -> npt.NDArray[Any]:
    """Return a buffer of ``count`` zeroed attempt records whose pages are already mapped.

    A page fault inside a timed call would be booked as latency, so every page is written to here; zeros from
    the allocator would only be mapped on first use.
    """
    buffer = np.empty(count, ATTEMPT)
    buffer.view(np.uint8)[:] = 0
    return buffer
