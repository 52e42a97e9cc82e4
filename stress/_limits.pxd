# SPDX-License-Identifier: MIT
"""The limits of the arguments of a storm."""

from libc.stdint cimport int64_t

cdef enum:
    MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS
    INSTRUCTION_BYTES = 8    # struct sock_filter
    PORTS = 65536


cdef inline int validate_limits(Py_ssize_t room, Py_ssize_t attempts, Py_ssize_t warmup, int window,
                                int64_t deadline_ns, int64_t interval_ns, int64_t jiffy_ns,
                                bytes socket_filter) except -1:
    """Raise ValueError for numbers that no storm can have; ``room`` is how many records the buffer takes."""
    if not 0 <= attempts <= room:
        raise ValueError(f"{attempts} attempts do not fit a buffer of {room} records")
    if window < 1:
        raise ValueError(f"window must be at least 1, not {window}")
    if deadline_ns < 0 or interval_ns < 0 or jiffy_ns < 0 or warmup < 0:
        raise ValueError("durations, deadlines, intervals and the warm-up cannot be negative")
    if len(socket_filter) % INSTRUCTION_BYTES or len(socket_filter) > MAX_INSTRUCTIONS * INSTRUCTION_BYTES:
        raise ValueError(f"a socket_filter is at most {MAX_INSTRUCTIONS} instructions of {INSTRUCTION_BYTES} bytes")
    return 0


cdef inline int validate_addresses(str target, int target_port, int target_ports, int sources, int address,
                                   int worker) except -1:
    """Raise ValueError for an invalid space of 4-tuples, or for numbers that no record can hold."""
    if not (target_ports >= 1 and 1 <= target_port <= PORTS - target_ports):
        raise ValueError(f"target_port must be from 1 to 65535, not {target_port} and {target_ports - 1} after it")
    if sources < 1 or (sources > 1 and ":" in target):
        raise ValueError("sources must be at least 1, and of IPv6 there is one")
    if not (0 <= address <= PORTS - sources * target_ports and 0 <= worker <= 255):
        raise ValueError("address must fit 16 bits and worker 8 bits")
    return 0
