# SPDX-License-Identifier: MIT
"""The client's storm: non-blocking connect()/close() as fast as the kernel takes them, one record an attempt.

The caller owns the record buffer and the list of ports; the loop runs without the GIL, allocates nothing,
prints nothing and decides nothing. An attempt that fails is data; a storm that cannot be set up is an exception.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc cimport errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from stress cimport _libc as libc

import numpy as np

from stress.model.attempt import ATTEMPT


cdef Attempt _probe
_layout = np.asarray(<Attempt[:1]> &_probe).dtype
if _layout != ATTEMPT:
    raise ImportError(f"stress._fastconnect was built for another attempt record ({_layout}) than "
                      f"stress.model has ({ATTEMPT}); build again: pip install -e .")


_PORTS = {"kernel": KERNEL, "bind": BIND, "list": LIST, "no-port": NO_PORT, "range": RANGE, "each": EACH}
_CLOSE = {"fin": FIN, "rst": RST, "hold": HOLD}


cdef inline void set_port(libc.sockaddr_storage* address, uint16_t port) noexcept nogil:
    (<libc.sockaddr_in*> address).sin_port = libc.htons(port)


cdef inline uint16_t local_port(Storm* storm, int fd) noexcept nogil:
    cdef libc.sockaddr_storage name
    cdef libc.socklen_t size = sizeof(name)
    if libc.getsockname(fd, <libc.sockaddr*> &name, &size) != 0:
        return 0
    return libc.ntohs((<libc.sockaddr_in*> &name).sin_port)


cdef inline uint8_t total_retransmits(int fd) noexcept nogil:
    cdef libc.tcp_info info
    cdef libc.socklen_t size = sizeof(info)
    if libc.getsockopt(fd, libc.IPPROTO_TCP, libc.TCP_INFO, &info, &size) != 0:
        return 0
    return <uint8_t> min(info.tcpi_total_retrans, <uint32_t> 255)


cdef inline int64_t close_connected(Storm* storm, Attempt* attempt, int fd) noexcept nogil:
    """End a connected socket as the plan says; returns the last stamp (ns), 0 when it is held."""
    cdef libc.linger reset
    cdef int64_t before_ns, after_ns
    if storm.close == HOLD:
        storm.held[attempt - storm.out] = fd
        return 0
    if storm.close == RST:
        reset.l_onoff = 1
        reset.l_linger = 0
        libc.setsockopt(fd, libc.SOL_SOCKET, libc.SO_LINGER, &reset, sizeof(reset))
    before_ns = libc.monotonic_ns()
    libc.close(fd)
    after_ns = libc.monotonic_ns()
    attempt.close_ns = <uint32_t> min(after_ns - before_ns, <int64_t> 0xFFFFFFFF)
    return after_ns


cdef inline void take_off(Storm* storm, int slot) noexcept nogil:
    """Link a vacant slot as the newest flight."""
    cdef Flight* flight = &storm.flights[slot]
    storm.vacant = flight.newer
    flight.older = storm.newest
    flight.newer = -1
    if storm.newest >= 0:
        storm.flights[storm.newest].newer = slot
    else:
        storm.oldest = slot
    storm.newest = slot
    storm.in_flight += 1


cdef inline void land(Storm* storm, int slot) noexcept nogil:
    """Unlink a flight and make its slot vacant."""
    cdef Flight* flight = &storm.flights[slot]
    if flight.older >= 0:
        storm.flights[flight.older].newer = flight.newer
    else:
        storm.oldest = flight.newer
    if flight.newer >= 0:
        storm.flights[flight.newer].older = flight.older
    else:
        storm.newest = flight.older
    flight.newer = storm.vacant
    storm.vacant = slot
    storm.in_flight -= 1


cdef int64_t fail(Storm* storm, Attempt* attempt, int fd, int error) noexcept nogil:
    """Record an attempt that could not even call connect(); returns a stamp (ns)."""
    cdef int64_t now_ns = libc.monotonic_ns()
    attempt.start_ns = now_ns - storm.epoch_ns
    attempt.error = <uint8_t> error
    if fd >= 0:
        libc.close(fd)
    return now_ns


cdef int64_t start(Storm* storm) noexcept nogil:
    """Make one attempt: record it, or leave it in flight. Returns the last stamp taken (ns)."""
    cdef Attempt* attempt = &storm.out[storm.started]
    cdef libc.epoll_event event
    cdef int64_t before_ns, after_ns
    cdef int fd, error = 0, one = 1
    memset(attempt, 0, sizeof(Attempt))
    attempt.address = storm.address
    attempt.worker = storm.worker
    attempt.phase = 0 if storm.started < storm.warmup else 1
    if storm.held != NULL:
        storm.held[storm.started] = -1
    storm.started += 1
    if storm.interval_ns:
        before_ns = max(libc.monotonic_ns() - storm.intended_ns, <int64_t> 0)
        attempt.lag_us = <uint32_t> min(before_ns // 1000, <int64_t> 0xFFFFFFFF)
        storm.intended_ns += storm.interval_ns
    if storm.ports == LIST or storm.ports == EACH:
        attempt.local_port = storm.port_list[storm.next_port]
        storm.next_port += 1
        if storm.next_port == storm.port_count:
            storm.next_port = 0
        if storm.ports == LIST:
            set_port(&storm.source, attempt.local_port)
        else:
            storm.port_range = <uint32_t> attempt.local_port << 16 | attempt.local_port

    fd = libc.socket(storm.family, libc.SOCK_STREAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0)
    if fd < 0:
        return fail(storm, attempt, fd, errno.errno)
    if storm.filter.len:
        libc.setsockopt(fd, libc.SOL_SOCKET, libc.SO_ATTACH_FILTER, &storm.filter, sizeof(storm.filter))
    if storm.linger2_s:
        libc.setsockopt(fd, libc.IPPROTO_TCP, libc.TCP_LINGER2, &storm.linger2_s, sizeof(int))
    if storm.ports == NO_PORT:
        libc.setsockopt(fd, libc.IPPROTO_IP, libc.IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one))
    elif storm.ports == RANGE or storm.ports == EACH:
        libc.setsockopt(fd, libc.IPPROTO_IP, libc.IP_LOCAL_PORT_RANGE, &storm.port_range, sizeof(storm.port_range))
    if storm.ports == BIND or storm.ports == LIST or storm.ports == NO_PORT:
        if libc.bind(fd, <libc.sockaddr*> &storm.source, storm.address_size) != 0:
            return fail(storm, attempt, fd, errno.errno)

    before_ns = libc.monotonic_ns()
    if libc.connect(fd, <libc.sockaddr*> &storm.target, storm.address_size) != 0:
        error = errno.errno
        if error == errno.EINPROGRESS:
            # On loopback the handshake ran inside the first call, but its SYN-ACK waited on the socket's
            # backlog until that call let go of the lock; the second call sees the result, without epoll.
            error = 0
            if libc.connect(fd, <libc.sockaddr*> &storm.target, storm.address_size) != 0:
                error = errno.errno
    after_ns = libc.monotonic_ns()

    attempt.start_ns = before_ns - storm.epoch_ns
    attempt.latency_ns = after_ns - before_ns
    if error == 0 or error == errno.EALREADY:
        if attempt.local_port == 0:
            attempt.local_port = local_port(storm, fd)
        if error == 0:
            attempt.retransmits = total_retransmits(fd)
            return max(after_ns, close_connected(storm, attempt, fd))
        event.events = libc.EPOLLOUT
        event.data.u32 = <uint32_t> storm.vacant
        if libc.epoll_ctl(storm.epoll, libc.EPOLL_CTL_ADD, fd, &event) == 0:
            storm.flights[storm.vacant].fd = fd
            storm.flights[storm.vacant].record = attempt - storm.out
            attempt.error = errno.EINPROGRESS
            take_off(storm, storm.vacant)
            return after_ns
        error = errno.errno
    attempt.error = <uint8_t> error
    libc.close(fd)
    return after_ns


cdef void finish(Storm* storm, int slot) noexcept nogil:
    """Record the end of an attempt that was in flight."""
    cdef Attempt* attempt = &storm.out[storm.flights[slot].record]
    cdef int fd = storm.flights[slot].fd
    cdef int error = 0
    cdef libc.socklen_t size = sizeof(error)
    attempt.latency_ns = libc.monotonic_ns() - storm.epoch_ns - attempt.start_ns
    if libc.getsockopt(fd, libc.SOL_SOCKET, libc.SO_ERROR, &error, &size) != 0:
        error = errno.errno
    attempt.error = <uint8_t> error
    attempt.retransmits = total_retransmits(fd)
    if error == 0:
        close_connected(storm, attempt, fd)
    else:
        libc.close(fd)
    land(storm, slot)


cdef void abandon(Storm* storm, int64_t started_before_ns) noexcept nogil:
    """Give up on flights that began before a moment (ns): they stay EINPROGRESS, that is unfinished."""
    cdef Attempt* attempt
    cdef int slot = storm.oldest
    cdef int newer
    while slot >= 0:
        attempt = &storm.out[storm.flights[slot].record]
        if attempt.start_ns + storm.epoch_ns > started_before_ns:
            return
        newer = storm.flights[slot].newer
        attempt.latency_ns = libc.monotonic_ns() - storm.epoch_ns - attempt.start_ns
        attempt.retransmits = total_retransmits(storm.flights[slot].fd)
        libc.close(storm.flights[slot].fd)
        land(storm, slot)
        slot = newer


cdef void collect(Storm* storm, int timeout_ms) noexcept nogil:
    """Record the flights that ended."""
    cdef libc.epoll_event events[EVENTS]
    cdef int count = libc.epoll_wait(storm.epoll, events, EVENTS, timeout_ms)
    cdef int i
    for i in range(count):  # count is -1 when a signal came: nothing to record
        finish(storm, <int> events[i].data.u32)


cdef bint advance(Storm* storm, int64_t until_ns) noexcept nogil:
    """Storm until a moment (ns); returns whether every attempt has ended."""
    cdef int64_t now_ns = libc.monotonic_ns()
    cdef int64_t wake_ns
    cdef bint can_start
    while now_ns < until_ns:
        can_start = storm.started < storm.attempts and storm.in_flight < storm.window
        if can_start and (storm.interval_ns == 0 or now_ns >= storm.intended_ns):
            now_ns = start(storm)
            if storm.in_flight:
                collect(storm, 0)
        elif can_start and storm.intended_ns - now_ns < 2_000_000:
            collect(storm, 0)  # epoll sleeps whole milliseconds only
            now_ns = libc.monotonic_ns()
        elif storm.in_flight or can_start:
            wake_ns = until_ns
            if can_start:
                wake_ns = min(wake_ns, storm.intended_ns - 1_000_000)
            if storm.deadline_ns and storm.in_flight:
                wake_ns = min(wake_ns, storm.out[storm.flights[storm.oldest].record].start_ns
                              + storm.epoch_ns + storm.deadline_ns)
            collect(storm, <int> max((wake_ns - now_ns + 999_999) // 1_000_000, <int64_t> 0))
            now_ns = libc.monotonic_ns()
        else:
            return True
        if storm.deadline_ns and storm.in_flight:
            abandon(storm, now_ns - storm.deadline_ns)
        if storm.stop_ns and now_ns >= storm.stop_ns:
            storm.attempts = storm.started
    return storm.in_flight == 0 and storm.started == storm.attempts


cdef int fill(libc.sockaddr_storage* address, int family, str text, uint16_t port) except -1:
    cdef bytes encoded = text.encode("ascii")
    cdef int parsed
    memset(address, 0, sizeof(libc.sockaddr_storage))
    address.ss_family = <libc.sa_family_t> family
    if family == libc.AF_INET:
        parsed = libc.inet_pton(family, encoded, &(<libc.sockaddr_in*> address).sin_addr)
    else:
        parsed = libc.inet_pton(family, encoded, &(<libc.sockaddr_in6*> address).sin6_addr)
    if parsed != 1:
        raise ValueError(f"{text!r} is not an IPv{4 if family == libc.AF_INET else 6} address")
    set_port(address, port)
    return 0


def now_ns():
    """Read the measuring clock: CLOCK_MONOTONIC in ns."""
    return libc.monotonic_ns()


def storm(Attempt[::1] out not None, *, str target, int target_port, str source="", str ports="kernel",
          const uint16_t[::1] port_list=None, str close="rst", int[::1] held=None, Py_ssize_t attempts,
          Py_ssize_t warmup=0, int window=1024, int64_t epoch_ns, int64_t duration_ns=0,
          int64_t deadline_ns=0, int64_t interval_ns=0, int linger2_s=0, tuple port_range=None,
          bytes socket_filter=b"", int address=0, int worker=0):
    """Fire a storm and return ``(recorded, interrupted)``.

    Records are written to ``out[:recorded]`` in the order of their starts. ``ports`` is ``"kernel"``
    (connect() chooses), ``"no-port"`` (the same after bind() of the source with IP_BIND_ADDRESS_NO_PORT), ``"range"``
    (the same within ``port_range``, low and high, by IP_LOCAL_PORT_RANGE), ``"bind"`` (bind() to port 0 chooses),
    ``"list"`` (bind() to each of ``port_list``, shape (ports,), again and again) or ``"each"`` (connect() from each of
    ``port_list``, as the only one that IP_LOCAL_PORT_RANGE leaves it: a port without the traces of a bind()). ``close`` is ``"fin"``, ``"rst"`` (SO_LINGER 0) or
    ``"hold"``: the descriptors are left in ``held``, shape (attempts,), -1 where there is none, for the caller to
    close. ``socket_filter`` is a classic BPF program, 8 bytes an instruction, that each socket gets before it
    connects. At most ``window`` attempts are in flight. With ``interval_ns`` each start is intended that long after
    the one before, and how late it was is recorded as its lag; without, starts follow each other as fast as may be.
    Starts end after ``attempts`` or ``duration_ns``; attempts in flight are then waited for, each until
    ``deadline_ns`` after its start or, with 0, until the kernel gives up. What did not end has error EINPROGRESS.
    The first ``warmup`` attempts have phase 0, the others 1. SIGINT ends the storm and keeps its records.

    Raises ValueError for arguments that cannot be, OSError when epoll cannot be had, MemoryError.
    """
    cdef Storm state
    cdef bint done = False
    cdef bint interrupted = False
    cdef int i
    memset(&state, 0, sizeof(state))
    if ports not in _PORTS:
        raise ValueError(f"ports must be one of {', '.join(_PORTS)}, not {ports!r}")
    if close not in _CLOSE:
        raise ValueError(f"close must be one of {', '.join(_CLOSE)}, not {close!r}")
    if not 0 <= attempts <= out.shape[0]:
        raise ValueError(f"{attempts} attempts do not fit a buffer of {out.shape[0]} records")
    if window < 1:
        raise ValueError(f"window must be at least 1, not {window}")
    if duration_ns < 0 or deadline_ns < 0 or interval_ns < 0 or warmup < 0:
        raise ValueError("durations, deadlines, intervals and the warm-up cannot be negative")
    if len(socket_filter) % INSTRUCTION_BYTES or len(socket_filter) > MAX_INSTRUCTIONS * INSTRUCTION_BYTES:
        raise ValueError(f"a socket_filter is at most {MAX_INSTRUCTIONS} instructions of {INSTRUCTION_BYTES} bytes")
    if not 1 <= target_port <= 65535:
        raise ValueError(f"target_port must be from 1 to 65535, not {target_port}")
    if not (0 <= address <= 65535 and 0 <= worker <= 255):
        raise ValueError("address must fit 16 bits and worker 8 bits")
    state.ports = _PORTS[ports]
    state.close = _CLOSE[close]
    if state.ports == LIST or state.ports == EACH:
        if port_list is None or port_list.shape[0] == 0:
            raise ValueError(f"ports={ports!r} needs a port_list of at least one port")
        state.port_list = &port_list[0]
        state.port_count = port_list.shape[0]
    if state.ports == RANGE:
        if port_range is None or not 0 < port_range[0] <= port_range[1] <= 65535:
            raise ValueError("ports='range' needs a port_range of two rising ports")
        state.port_range = <uint32_t> port_range[1] << 16 | <uint32_t> port_range[0]
    if state.close == HOLD:
        if held is None or held.shape[0] < attempts:
            raise ValueError("close='hold' needs room for every descriptor in held")
        if attempts:
            state.held = &held[0]
    if attempts == 0:
        return 0, False

    state.family = libc.AF_INET6 if ":" in target else libc.AF_INET
    state.address_size = sizeof(libc.sockaddr_in6) if ":" in target else sizeof(libc.sockaddr_in)
    fill(&state.target, state.family, target, <uint16_t> target_port)
    fill(&state.source, state.family, source or ("::" if ":" in target else "0.0.0.0"), 0)
    state.linger2_s = linger2_s
    state.address = <uint16_t> address
    state.worker = <uint8_t> worker
    state.filter.len = <unsigned short> (len(socket_filter) // INSTRUCTION_BYTES)
    state.filter.filter = <libc.sock_filter*> <char*> socket_filter
    state.epoch_ns = epoch_ns
    state.interval_ns = interval_ns
    state.intended_ns = libc.monotonic_ns()
    state.deadline_ns = deadline_ns
    state.out = &out[0]
    state.attempts = attempts
    state.warmup = warmup
    state.window = window
    state.oldest = state.newest = -1
    state.flights = <Flight*> calloc(window, sizeof(Flight))
    if state.flights == NULL:
        raise MemoryError(f"no memory for a window of {window} attempts")
    for i in range(window):
        state.flights[i].newer = i + 1 if i + 1 < window else -1
    state.epoll = libc.epoll_create1(libc.EPOLL_CLOEXEC)
    if state.epoll < 0:
        free(state.flights)
        raise OSError(errno.errno, "epoll_create1 failed")
    try:
        if duration_ns:
            state.stop_ns = libc.monotonic_ns() + duration_ns
        while not done:
            with nogil:
                done = advance(&state, libc.monotonic_ns() + CHUNK_NS)
            PyErr_CheckSignals()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        abandon(&state, libc.monotonic_ns())
        libc.close(state.epoll)
        free(state.flights)
    return state.started, interrupted
