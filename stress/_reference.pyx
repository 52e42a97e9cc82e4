# SPDX-License-Identifier: MIT
"""What the client engine is measured against: a bare loop of its system calls, and what its own records cost."""

from libc.stdint cimport int64_t, uint16_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from stress cimport _libc as libc
from stress._address cimport Address, fill_address
from stress._storm cimport Attempt

import os

cdef extern from "_bare_loop.h" nogil:
    enum:
        BARE_FIN
        BARE_RST
        BARE_DISCONNECT
    int bare_loop(libc.sockaddr_in source, libc.sockaddr_in server, int server_ports, long attempts, int close_by,
                  const uint16_t* ports, long port_count)

cdef enum:
    ROUNDS = 9               # whose median is returned
    CALLS = 200              # in each round
    RECORDS = 4096           # written one after the other, as a storm does
    FIRST_PORT = 20_000      # below every usual range of ephemeral ports

_CLOSE = {"fin": BARE_FIN, "rst": BARE_RST, "disconnect": BARE_DISCONNECT}


def bare_storm(*, int target_port, int target_ports=1, long attempts, str close="rst",
               const uint16_t[::1] port_list=None, str source="127.0.0.1"):
    """Make blocking attempts to 127.0.0.1, one after the other, without records; return how long that took (ns).

    They go to ``target_ports`` ports in turn, ``target_port`` and those after it, and from each of ``port_list``, shape
    (ports,), in turn, by the calls that the engine uses, and from ``source`` where that is bind(). Without a list
    connect() chooses.

    Raises ValueError for invalid arguments, OSError when an attempt fails.
    """
    cdef Address pair
    cdef int64_t start_ns, end_ns
    cdef int error, close_by
    cdef const uint16_t* ports = NULL
    cdef long port_count = 0
    if port_list is not None and port_list.shape[0]:
        ports = &port_list[0]
        port_count = port_list.shape[0]
    if close not in _CLOSE:
        raise ValueError(f"close must be one of {', '.join(_CLOSE)}, not {close!r}")
    if not (target_ports >= 1 and 1 <= target_port <= 65536 - target_ports):
        raise ValueError(f"target_port must be from 1 to 65535, not {target_port} and {target_ports - 1} after it")
    close_by = _CLOSE[close]
    fill_address(&pair.source, libc.AF_INET, source, 0, 0)
    fill_address(&pair.target, libc.AF_INET, "127.0.0.1", 0, target_port)
    with nogil:
        start_ns = libc.monotonic_ns()
        error = bare_loop((<libc.sockaddr_in*> &pair.source)[0], (<libc.sockaddr_in*> &pair.target)[0], target_ports,
                          attempts, close_by, ports, port_count)
        end_ns = libc.monotonic_ns()
    if error:
        raise OSError(error, f"the bare loop ended early: {os.strerror(error)}")
    return end_ns - start_ns


def calibrate(int connected_fd):
    """Return the median cost (ns) of what the engine does for a record, by the fields of ``model.record.Overhead``.

    ``connected_fd`` is an IPv4 or IPv6 TCP socket that is connected.
    """
    cdef libc.sockaddr_storage name
    cdef libc.tcp_info info
    cdef libc.socklen_t size
    cdef int64_t start_ns, round_number
    cdef Attempt* records = <Attempt*> malloc(RECORDS * sizeof(Attempt))
    cdef int fds[CALLS]
    cdef int i
    if records == NULL:
        raise MemoryError("no memory for the calibration")
    memset(records, 0, RECORDS * sizeof(Attempt))
    costs = {"clock_ns": [], "getsockname_ns": [], "tcp_info_ns": [], "record_ns": [], "bind_ns": []}
    try:
        for round_number in range(ROUNDS):
            start_ns = libc.monotonic_ns()
            for i in range(CALLS):
                libc.monotonic_ns()
            costs["clock_ns"].append((libc.monotonic_ns() - start_ns) / <double> (CALLS + 1))

            start_ns = libc.monotonic_ns()
            for i in range(CALLS):
                size = sizeof(name)
                libc.getsockname(connected_fd, <libc.sockaddr*> &name, &size)
            costs["getsockname_ns"].append((libc.monotonic_ns() - start_ns) / <double> CALLS)

            start_ns = libc.monotonic_ns()
            for i in range(CALLS):
                size = sizeof(info)
                libc.getsockopt(connected_fd, libc.IPPROTO_TCP, libc.TCP_INFO, &info, &size)
            costs["tcp_info_ns"].append((libc.monotonic_ns() - start_ns) / <double> CALLS)

            start_ns = libc.monotonic_ns()
            for i in range(RECORDS):
                memset(&records[i], 0, sizeof(Attempt))
                records[i].start_ns = start_ns + i
                records[i].latency_ns = i
                records[i].local_port = <unsigned short> i
            costs["record_ns"].append((libc.monotonic_ns() - start_ns) / <double> RECORDS)

            costs["bind_ns"].append(bind_ns(connected_fd, fds))
    finally:
        free(records)
    return {cost: sorted(rounds)[ROUNDS // 2] for cost, rounds in costs.items()}


cdef double bind_ns(int connected_fd, int* fds) except -1:
    """Return the cost (ns) of bind() to a given port, on the address of the connection, where hardly any is in use."""
    cdef libc.sockaddr_storage name
    cdef libc.socklen_t size = sizeof(name)
    cdef int64_t start_ns, end_ns
    cdef int i
    libc.getsockname(connected_fd, <libc.sockaddr*> &name, &size)
    for i in range(CALLS):
        fds[i] = libc.socket(name.ss_family, libc.SOCK_STREAM | libc.SOCK_CLOEXEC, 0)
    start_ns = libc.monotonic_ns()
    for i in range(CALLS):
        (<libc.sockaddr_in6*> &name).sin6_port = libc.htons(<unsigned short> (FIRST_PORT + i))
        libc.bind(fds[i], <libc.sockaddr*> &name, size)
    end_ns = libc.monotonic_ns()
    for i in range(CALLS):
        if fds[i] >= 0:
            libc.close(fds[i])
    return (end_ns - start_ns) / <double> CALLS
