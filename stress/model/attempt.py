# SPDX-License-Identifier: MIT
"""The attempt record: one connect() and its result, in 32 bytes."""

from typing import Any

import numpy as np
import numpy.typing as npt

# The engine, stress._fastconnect, writes these records and does not load when its C struct differs. attempts.npy
# has the same layout. Little-endian, no hidden padding.
ATTEMPT = np.dtype(
    [
        ("start_ns", "<i8"),  # just before the first connect(), relative to the run's epoch (CLOCK_MONOTONIC)
        ("latency_ns", "<i8"),  # from start_ns until the socket was seen connected or failed
        ("close_ns", "<u4"),  # the close() call alone; 0 when the socket was not connected or is held
        ("lag_us", "<u4"),  # paced load: delay of the start after the intended start; 0 in a closed loop
        ("local_port", "<u2"),  # 0 when the kernel had not assigned one, or released it again
        ("address", "<u2"),  # number of the pair of source and target: record.Address
        ("error", "u1"),  # errno; 0 = connected, EINPROGRESS = still pending when the storm ended
        ("retransmits", "u1"),  # retransmitted SYNs: tcpi_total_retrans
        ("phase", "u1"),  # 0 = warm-up, 1 = storm
        ("worker", "u1"),
    ]
)

# The first use of a connection: one byte to the server, and one back. The engine writes these records too.
USE = np.dtype(
    [
        ("use_ns", "<i8"),  # from before send() until the answer was read or the use had failed; 0: not connected
        ("error", "u1"),  # errno; 0 = answered, ENODATA = the server ended the connection, EINPROGRESS = still waiting
    ]
)

WARM_UP, STORM = 0, 1


def allocate_attempts(count: int) -> npt.NDArray[Any]:
    """Return a buffer of ``count`` zeroed attempt records whose pages are already mapped.

    A page fault inside a timed call would count as latency, so this function writes to every page. Zeroed memory
    from the allocator would only be mapped on first use.
    """
    buffer = np.empty(count, ATTEMPT)
    buffer.view(np.uint8)[:] = 0
    return buffer
