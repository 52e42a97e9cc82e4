# SPDX-License-Identifier: MIT
"""The client's storm: non-blocking connect()/close() as fast as the kernel takes them, one record per attempt.

A storm is validated and prepared (``PreparedStorm``), and then looped (``PreparedStorm.run``). The caller owns the
record buffer and the list of ports; the loop runs without the GIL, allocates nothing, prints nothing and decides
nothing. An attempt that fails is data; a storm that cannot be set up is an exception.
"""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc cimport errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from stress cimport _libc as libc
from stress._address cimport Address, fill_address
from stress._attempt_socket cimport choose_address, close_connected, make_socket
from stress._flights cimport add_flight, allocate_flights, remove_flight
from stress._limits cimport INSTRUCTION_BYTES, PORTS, validate_addresses, validate_limits
from stress._socket cimport local_port, total_retransmits
from stress._stalls cimport begin_sleep, close_stalls, list_stalls, note_attempt, open_stalls, read_clock, read_run_delay
from stress._storm cimport (
    AHEAD, BIND, CHUNK_NS, DISCONNECT, EACH, EVENTS, FIN, HOLD, KERNEL, LIST, MPTCP, NO_PORT, RANGE, RST, SLOW_NS, TCP, TFO,
    Attempt, Storm,
)
from stress._uses cimport Use, receive_byte, send_byte

import numpy as np

from stress.model.attempt import ATTEMPT, USE


cdef Attempt _attempt
cdef Use _use
_layouts = [np.asarray(<Attempt[:1]> &_attempt).dtype, np.asarray(<Use[:1]> &_use).dtype]
if _layouts != [ATTEMPT, USE]:
    raise ImportError(f"stress._fastconnect was built for other records ({_layouts}) than stress.model has "
                      f"({[ATTEMPT, USE]}); build again: pip install -e .")


_PORTS = {"kernel": KERNEL, "bind": BIND, "list": LIST, "no-port": NO_PORT, "range": RANGE, "each": EACH}
_PROTOCOLS = {"tcp": TCP, "mptcp": MPTCP, "tfo": TFO}
_CLOSE = {"fin": FIN, "rst": RST, "hold": HOLD, "disconnect": DISCONNECT}


cdef int64_t end_use(Storm* storm, Attempt* attempt, int fd, int error) noexcept nogil:
    """Record how the use of a connection ended, and end the connection; returns the last timestamp taken (ns)."""
    cdef Use* use = &storm.uses[attempt - storm.records]
    cdef int64_t now_ns = libc.monotonic_ns()
    use.use_ns = now_ns - use.use_ns
    use.error = <uint8_t> error
    return max(now_ns, close_connected(storm, attempt, fd, now_ns))


cdef int64_t begin_use(Storm* storm, Attempt* attempt, int fd) noexcept nogil:
    """Use a new connection: record that, or leave it in flight until the answer comes. Returns the last timestamp."""
    cdef Use* use = &storm.uses[attempt - storm.records]
    cdef libc.epoll_event event
    cdef int64_t now_ns = libc.monotonic_ns()
    cdef int error
    use.use_ns = now_ns
    error = send_byte(fd)
    if error == 0:
        event.events = libc.EPOLLIN
        event.data.u32 = <uint32_t> storm.flights.vacant
        if libc.epoll_ctl(storm.epoll, libc.EPOLL_CTL_ADD, fd, &event) == 0:
            add_flight(&storm.flights, fd, attempt - storm.records)
            return now_ns
        error = errno.errno
    return end_use(storm, attempt, fd, error)


cdef int64_t record_failure(Storm* storm, Attempt* attempt, int fd, int error) noexcept nogil:
    """Record an attempt that could not even call connect(); returns when that was (ns)."""
    cdef int64_t now_ns = libc.monotonic_ns()
    attempt.start_ns = now_ns - storm.epoch_ns
    attempt.error = <uint8_t> error
    if fd >= 0:
        libc.close(fd)
    return now_ns


cdef int64_t start_attempt(Storm* storm) noexcept nogil:
    """Make one attempt: record it, or leave it in flight. Returns the last timestamp taken (ns)."""
    cdef Attempt* attempt = &storm.records[storm.started]
    cdef Address* address
    cdef libc.epoll_event event
    cdef int64_t lag_ns, connect_start_ns, connect_end_ns, close_start_ns
    cdef int fd, error = 0
    libc.prefetch_to_write(attempt + AHEAD)  # the kernel's work has the caches to itself; it may lie beyond the buffer
    memset(attempt, 0, sizeof(Attempt))  # a page of a file is faulted in here, outside the timestamps
    attempt.worker = storm.worker
    attempt.phase = 0 if storm.started < storm.warmup else 1
    if storm.held != NULL:
        storm.held[storm.started] = -1
    storm.started += 1
    if storm.interval_ns:
        lag_ns = max(libc.monotonic_ns() - storm.intended_ns, <int64_t> 0)
        attempt.lag_us = <uint32_t> min(lag_ns // 1000, <int64_t> 0xFFFFFFFF)
        if storm.catch_up_ns and lag_ns > storm.catch_up_ns:
            storm.intended_ns += lag_ns - storm.catch_up_ns  # what was due before is left out
        storm.intended_ns += storm.interval_ns
    address = choose_address(storm, attempt)

    if storm.spares:
        storm.spares -= 1
        fd = storm.spare[storm.spares]
    else:
        fd = make_socket(storm, address)
        if fd < 0:
            return record_failure(storm, attempt, -1, errno.errno)
    if storm.ports == EACH:
        storm.port_range = <uint32_t> attempt.local_port << 16 | attempt.local_port
        libc.setsockopt(fd, libc.IPPROTO_IP, libc.IP_LOCAL_PORT_RANGE, &storm.port_range, sizeof(storm.port_range))
    elif storm.ports == BIND or storm.ports == LIST:
        address.source.sin6_port = libc.htons(attempt.local_port)
        if libc.bind(fd, <libc.sockaddr*> &address.source, storm.address_size) != 0:
            return record_failure(storm, attempt, fd, errno.errno)

    connect_start_ns = libc.monotonic_ns()
    if libc.connect(fd, <libc.sockaddr*> &address.target, storm.address_size) != 0:
        error = errno.errno
        if error == errno.EINPROGRESS:
            # On loopback the handshake ran inside the first call, but its SYN-ACK waited on the socket's
            # backlog until that call let go of the lock; the second call sees the result, without epoll.
            error = 0
            if libc.connect(fd, <libc.sockaddr*> &address.target, storm.address_size) != 0:
                error = errno.errno
    connect_end_ns = libc.monotonic_ns()

    attempt.start_ns = connect_start_ns - storm.epoch_ns
    attempt.latency_ns = connect_end_ns - connect_start_ns
    if error == 0 or error == errno.EALREADY:
        close_start_ns = connect_end_ns  # unless something else is called before close()
        if attempt.local_port == 0:
            attempt.local_port = local_port(fd)
            close_start_ns = 0
        if error == 0:
            if (storm.watched == NULL or attempt.latency_ns > SLOW_NS
                    or storm.watched[attempt.local_port >> 3] >> (attempt.local_port & 7) & 1):
                attempt.retransmits = total_retransmits(fd)
                close_start_ns = 0
            if storm.uses != NULL:
                return begin_use(storm, attempt, fd)
            return max(connect_end_ns,
                       close_connected(storm, attempt, fd, close_start_ns or libc.monotonic_ns()))
        event.events = libc.EPOLLOUT
        event.data.u32 = <uint32_t> storm.flights.vacant
        if libc.epoll_ctl(storm.epoll, libc.EPOLL_CTL_ADD, fd, &event) == 0:
            attempt.error = errno.EINPROGRESS
            add_flight(&storm.flights, fd, attempt - storm.records)
            return connect_end_ns
        error = errno.errno
    attempt.error = <uint8_t> error
    libc.close(fd)
    return connect_end_ns


cdef void finish_use(Storm* storm, int slot) noexcept nogil:
    """Record the end of a use that was in flight, if it has ended."""
    cdef int fd = storm.flights.slots[slot].fd
    cdef int error = receive_byte(fd)
    cdef libc.epoll_event event
    if error == errno.EAGAIN:
        return
    if storm.close == DISCONNECT or storm.close == HOLD:
        libc.epoll_ctl(storm.epoll, libc.EPOLL_CTL_DEL, fd, &event)
    end_use(storm, &storm.records[storm.flights.slots[slot].record], fd, error)
    remove_flight(&storm.flights, slot)


cdef void finish_attempt(Storm* storm, int slot) noexcept nogil:
    """Record the end of an attempt that was in flight; a connection that is to be used stays there."""
    cdef Attempt* attempt = &storm.records[storm.flights.slots[slot].record]
    cdef int fd = storm.flights.slots[slot].fd
    cdef int error = 0
    cdef libc.epoll_event event
    cdef libc.socklen_t size = sizeof(error)
    if attempt.error == 0:
        finish_use(storm, slot)
        return
    attempt.latency_ns = read_clock(&storm.stalls) - storm.epoch_ns - attempt.start_ns
    if libc.getsockopt(fd, libc.SOL_SOCKET, libc.SO_ERROR, &error, &size) != 0:
        error = errno.errno
    attempt.error = <uint8_t> error
    attempt.retransmits = total_retransmits(fd)
    if error == 0 and storm.uses != NULL:
        storm.uses[attempt - storm.records].use_ns = libc.monotonic_ns()
        event.events = libc.EPOLLIN
        event.data.u32 = <uint32_t> slot
        libc.epoll_ctl(storm.epoll, libc.EPOLL_CTL_MOD, fd, &event)
        error = send_byte(fd)
        if error == 0:
            return
        end_use(storm, attempt, fd, error)
    elif error == 0:
        if storm.close == DISCONNECT or storm.close == HOLD:
            libc.epoll_ctl(storm.epoll, libc.EPOLL_CTL_DEL, fd, &event)  # close() does it by itself
        close_connected(storm, attempt, fd, libc.monotonic_ns())
    else:
        libc.close(fd)
    remove_flight(&storm.flights, slot)


cdef void abandon_attempts(Storm* storm, int64_t started_before_ns) noexcept nogil:
    """Give up attempts in flight that began before a moment (ns): they stay EINPROGRESS, that is unfinished."""
    cdef Attempt* attempt
    cdef int slot = storm.flights.oldest
    cdef int newer
    while slot >= 0:
        attempt = &storm.records[storm.flights.slots[slot].record]
        if attempt.start_ns + storm.epoch_ns > started_before_ns:
            return
        newer = storm.flights.slots[slot].newer
        if attempt.error == 0:  # its use is in flight, not connect()
            storm.uses[attempt - storm.records].use_ns = (
                read_clock(&storm.stalls) - storm.uses[attempt - storm.records].use_ns)
            storm.uses[attempt - storm.records].error = errno.EINPROGRESS
        else:
            attempt.latency_ns = read_clock(&storm.stalls) - storm.epoch_ns - attempt.start_ns
            attempt.retransmits = total_retransmits(storm.flights.slots[slot].fd)
        libc.close(storm.flights.slots[slot].fd)
        remove_flight(&storm.flights, slot)
        slot = newer


cdef void collect_finished(Storm* storm, int timeout_ms) noexcept nogil:
    """Record all attempts in flight that have ended, so that the next start delays none of them."""
    cdef libc.epoll_event events[EVENTS]
    cdef int i, count
    begin_sleep(&storm.stalls, timeout_ms)
    count = libc.epoll_wait(storm.epoll, events, EVENTS, timeout_ms)
    if count and timeout_ms:
        storm.stalls.has_long_gap = True  # it is not known when it was woken: it may have waited for a CPU ever since
    while count > 0:  # -1 when a signal came: nothing to record
        for i in range(count):
            finish_attempt(storm, <int> events[i].data.u32)
        count = libc.epoll_wait(storm.epoll, events, EVENTS, 0) if count == EVENTS else 0


cdef bint run_until(Storm* storm, int64_t until_ns) noexcept nogil:
    """Storm until a moment (ns); returns whether every attempt has ended."""
    cdef int64_t now_ns = read_clock(&storm.stalls)
    cdef int64_t wake_ns
    cdef Attempt* attempt
    cdef bint can_start
    read_run_delay(&storm.stalls, now_ns)
    while now_ns < until_ns:
        can_start = storm.started < storm.attempts and storm.flights.count < storm.window
        if can_start and (storm.interval_ns == 0 or now_ns >= storm.intended_ns):
            attempt = &storm.records[storm.started]
            now_ns = start_attempt(storm)
            note_attempt(&storm.stalls, storm.epoch_ns + attempt.start_ns, attempt.latency_ns, now_ns)
            if storm.flights.count:
                collect_finished(storm, 0)
        elif can_start and storm.intended_ns - now_ns < 2_000_000:
            collect_finished(storm, 0)  # epoll sleeps whole milliseconds only
            now_ns = read_clock(&storm.stalls)
        elif storm.flights.count or can_start:
            wake_ns = until_ns
            if can_start:
                wake_ns = min(wake_ns, storm.intended_ns - 1_000_000)
            if storm.deadline_ns and storm.flights.count:
                wake_ns = min(wake_ns, storm.records[storm.flights.slots[storm.flights.oldest].record].start_ns
                              + storm.epoch_ns + storm.deadline_ns)
            collect_finished(storm, <int> max((wake_ns - now_ns + 999_999) // 1_000_000, <int64_t> 0))
            now_ns = read_clock(&storm.stalls)
        else:
            return True
        if storm.deadline_ns and storm.flights.count:
            abandon_attempts(storm, now_ns - storm.deadline_ns)
        if storm.stop_ns and now_ns >= storm.stop_ns:
            storm.attempts = storm.started
    return storm.flights.count == 0 and storm.started == storm.attempts


cdef void spin_until(int64_t begin_ns) noexcept nogil:
    """Spin until a moment (ns): workers start together."""
    while libc.monotonic_ns() < begin_ns:
        pass


def now_ns():
    """Read the monotonic clock: CLOCK_MONOTONIC in ns."""
    return libc.monotonic_ns()


@cython.auto_pickle(False)
cdef class PreparedStorm:
    """A storm whose arguments are valid and whose memory, addresses and epoll are there: ``run`` is its loop.

    Connections go from ``sources`` IPv4 addresses, ``source`` and those after it, to ``target_ports`` ports,
    ``target_port`` and those after it; attempts take these pairs in turn, source by source, or as ``address_list``
    says, and record their number, counted from ``address`` on.

    ``ports`` is ``"kernel"`` (connect() chooses), ``"no-port"`` (the same after bind() of the source with
    IP_BIND_ADDRESS_NO_PORT), ``"range"`` (the same within ``port_range``, low and high, by IP_LOCAL_PORT_RANGE),
    ``"bind"`` (bind() to port 0 chooses), ``"list"`` (bind() to each of ``port_list``, shape (ports,), again and
    again) or ``"each"`` (connect() from each of ``port_list``, as the only one that IP_LOCAL_PORT_RANGE leaves it: a
    port without the traces of a bind()). ``address_list`` has the shape of ``port_list``.

    ``close`` is ``"fin"``, ``"rst"`` (SO_LINGER 0), ``"disconnect"`` (connect() to AF_UNSPEC, an RST too, and the
    socket serves another attempt; one source, and not with bind()) or ``"hold"``: the descriptors are left in
    ``held``, shape (attempts,), -1 where there is none, for the caller to close. ``socket_filter`` is a classic BPF
    program, 8 bytes per instruction, that each socket gets before it connects.

    SYN retransmits are read from TCP_INFO for every attempt that took longer than 0.5 ms or whose port has
    ``watched``, shape (65536,), not 0; None watches all. On a port that no old socket is left on, no SYN is sent
    again sooner.

    At most ``window`` attempts are in flight. With ``interval_ns`` each start is intended that long after the one
    before, and how late it was is recorded as its lag; without, starts follow each other as fast as possible. Starts
    that are late are made up for at once, with ``catch_up_ns`` those alone that were due within so long: in no time t
    there are more than (t + catch_up_ns) / interval_ns and one. An attempt in flight is waited for until ``deadline_ns`` after its start or, with 0, until the kernel gives up. The
    first ``warmup`` attempts have phase 0, the others 1. With ``jiffy_ns``, the length of a jiffy, ``stalls`` are noted.

    With ``uses``, shape (at least attempts,), dtype USE, all 0, each connection is used before it is ended: one byte is
    sent, and one is waited for. That is timed apart from connect(). ``protocol`` is ``"tcp"``, ``"mptcp"`` (Multipath
    TCP) or ``"tfo"`` (TCP_FASTOPEN_CONNECT: the SYN asks for a cookie; with a cookie it is left to the use to send it).

    Raises ValueError for invalid arguments, OSError when epoll cannot be opened, MemoryError.
    """

    cdef Storm state
    cdef Attempt[::1] records
    cdef Use[::1] uses
    cdef const uint16_t[::1] port_list, address_list
    cdef const uint8_t[::1] watched_bits
    cdef int[::1] held
    cdef bytes socket_filter
    cdef bint ready  # epoll is open, and nothing has run

    def __cinit__(self, Attempt[::1] records not None, *, str target, int target_port, int target_ports=1,
                  str source="", int sources=1, const uint16_t[::1] address_list=None, str ports="kernel",
                  const uint16_t[::1] port_list=None, const uint8_t[::1] watched=None, str close="rst",
                  int[::1] held=None, Py_ssize_t attempts, Py_ssize_t warmup=0, int window=1024,
                  int64_t deadline_ns=0, int64_t interval_ns=0, int linger2_s=0, tuple port_range=None,
                  bytes socket_filter=b"", int address=0, int worker=0, int64_t jiffy_ns=0, Use[::1] uses=None,
                  str protocol="tcp", int64_t catch_up_ns=0):
        if ports not in _PORTS:
            raise ValueError(f"ports must be one of {', '.join(_PORTS)}, not {ports!r}")
        if close not in _CLOSE:
            raise ValueError(f"close must be one of {', '.join(_CLOSE)}, not {close!r}")
        if protocol not in _PROTOCOLS:
            raise ValueError(f"protocol must be one of {', '.join(_PROTOCOLS)}, not {protocol!r}")
        if uses is not None and uses.shape[0] < attempts:
            raise ValueError(f"uses has room for {uses.shape[0]} of {attempts} attempts")
        validate_limits(records.shape[0], attempts, warmup, window, deadline_ns, min(interval_ns, catch_up_ns),
                        jiffy_ns, socket_filter)
        validate_addresses(target, target_port, target_ports, sources, address, worker)
        self.records = records
        self.uses = uses
        self.socket_filter = socket_filter
        self.state.protocol = _PROTOCOLS[protocol]
        self.state.attempts = attempts
        self.state.warmup = warmup
        self.state.window = window
        self.state.deadline_ns = deadline_ns
        self.state.interval_ns = interval_ns
        self.state.catch_up_ns = catch_up_ns
        self.state.linger2_s = linger2_s
        self.state.first_address = <uint16_t> address
        self.state.address_count = sources * target_ports
        self.state.worker = <uint8_t> worker
        self.state.stalls.jiffy_ns = jiffy_ns
        self.set_ports(ports, port_list, address_list, port_range)
        self.set_close(close, held, sources)
        self.set_watched(watched)
        if attempts:
            self.allocate(target, target_port, target_ports, source)

    cdef int set_ports(self, str ports, const uint16_t[::1] port_list, const uint16_t[::1] address_list,
                       tuple port_range) except -1:
        """Set where source ports come from."""
        self.state.ports = _PORTS[ports]
        if self.state.ports == LIST or self.state.ports == EACH:
            if port_list is None or port_list.shape[0] == 0:
                raise ValueError(f"ports={ports!r} needs a port_list of at least one port")
            self.port_list = port_list
            self.state.port_list = &port_list[0]
            self.state.port_count = port_list.shape[0]
            if address_list is not None:
                if (address_list.shape[0] != port_list.shape[0]
                        or np.asarray(address_list).max() >= self.state.address_count):
                    raise ValueError("address_list must have the shape of port_list, and name pairs that there are")
                self.address_list = address_list
                self.state.address_list = &address_list[0]
        elif address_list is not None:
            raise ValueError("address_list belongs to a port_list")
        if self.state.ports == RANGE:
            if port_range is None or not 0 < port_range[0] <= port_range[1] <= 65535:
                raise ValueError("ports='range' needs a port_range of two rising ports")
            self.state.port_range = <uint32_t> port_range[1] << 16 | <uint32_t> port_range[0]
        return 0

    cdef int set_close(self, str close, int[::1] held, int sources) except -1:
        """Set how a connected socket is ended."""
        self.state.close = _CLOSE[close]
        if self.state.close == DISCONNECT and (self.state.ports == BIND or self.state.ports == LIST or sources > 1):
            raise ValueError("close='disconnect' keeps a socket, which bind() gives its source once; "
                             "use ports 'kernel', 'no-port', 'range' or 'each', and one source")
        if self.state.close == HOLD:
            if held is None or held.shape[0] < self.state.attempts:
                raise ValueError("close='hold' needs room for every descriptor in held")
            self.held = held
            if self.state.attempts:
                self.state.held = &held[0]
        return 0

    cdef int set_watched(self, const uint8_t[::1] watched) except -1:
        """Set on which ports SYN retransmits are always read."""
        if watched is None:
            return 0
        if watched.shape[0] != PORTS:
            raise ValueError(f"watched must have {PORTS} entries, not {watched.shape[0]}")
        self.watched_bits = np.packbits(np.asarray(watched) != 0, bitorder="little")  # 8 KiB of the caches, not 64
        self.state.watched = &self.watched_bits[0]
        return 0

    cdef int allocate(self, str target, int target_port, int target_ports, str source) except -1:
        """Make the addresses, the room for attempts in flight, and epoll; ``__dealloc__`` frees them."""
        cdef Storm* state = &self.state
        cdef Py_ssize_t i
        state.records = &self.records[0]
        if self.uses is not None:
            state.uses = &self.uses[0]
        state.family = libc.AF_INET6 if ":" in target else libc.AF_INET
        state.address_size = sizeof(libc.sockaddr_in6) if ":" in target else sizeof(libc.sockaddr_in)
        state.filter.len = <unsigned short> (len(self.socket_filter) // INSTRUCTION_BYTES)
        state.filter.filter = <libc.sock_filter*> <char*> self.socket_filter
        state.addresses = <Address*> calloc(state.address_count, sizeof(Address))
        state.spare = <int*> calloc(state.window + 1, sizeof(int))
        if state.addresses == NULL or state.spare == NULL or not allocate_flights(&state.flights, state.window):
            raise MemoryError(f"no memory for a window of {state.window} attempts")
        for i in range(state.address_count):
            fill_address(&state.addresses[i].source, state.family,
                         source or ("::" if ":" in target else "0.0.0.0"), i // target_ports, 0)
            fill_address(&state.addresses[i].target, state.family, target, 0, target_port + i % target_ports)
        state.epoll = libc.epoll_create1(libc.EPOLL_CLOEXEC)
        if state.epoll < 0:
            raise OSError(errno.errno, "epoll_create1 failed")
        self.ready = True
        return 0

    def run(self, *, int64_t epoch_ns, int64_t begin_ns=0, int64_t duration_ns=0):
        """Run the loop once and return ``(recorded, interrupted)``.

        Records are written to ``records[:recorded]`` in the order of their starts, which are counted from ``epoch_ns``
        on. The first is at ``begin_ns``, or at once. No attempt starts later than ``duration_ns`` after that, unless it
        is 0; attempts in flight are then waited for. What did not end has error EINPROGRESS. SIGINT ends the storm and
        keeps its records.

        Raises ValueError when it has been run already, or for a negative duration.
        """
        cdef bint done = False
        cdef bint interrupted = False
        if duration_ns < 0:
            raise ValueError("durations, deadlines, intervals and the warm-up cannot be negative")
        if self.state.attempts == 0:
            return 0, False
        if not self.ready:
            raise ValueError("a prepared storm is run once")
        self.state.epoch_ns = epoch_ns
        open_stalls(&self.state.stalls)
        try:
            self.state.intended_ns = begin_ns or libc.monotonic_ns()  # who begins late has a lag
            with nogil:
                spin_until(begin_ns)
            if duration_ns:
                self.state.stop_ns = self.state.intended_ns + duration_ns
            while not done:
                with nogil:
                    done = run_until(&self.state, libc.monotonic_ns() + CHUNK_NS)
                PyErr_CheckSignals()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            abandon_attempts(&self.state, libc.monotonic_ns())
            self.close_descriptors()
            close_stalls(&self.state.stalls)
        return self.state.started, interrupted

    def stalls(self):
        """Return the first stalls of the storm as (start_ns, end_ns, kind), counted from its epoch, by their starts.

        ``kind`` is ``"loop"``: between two readings of the clock without a sleep or a connect() between them passed
        more than a jiffy; ``"sleep"``: a sleep ended more than a jiffy later than asked; or ``"connect"``: a connect()
        took more than a jiffy and waited, by the run delay of schedstat, for a CPU for all of it but a jiffy.
        """
        return list_stalls(&self.state.stalls, self.state.epoch_ns)

    @property
    def stalls_missed(self):
        """How many more stalls there were than ``stalls`` has room for."""
        return self.state.stalls.missed

    cdef void close_descriptors(self) noexcept:
        """Close the loop's own descriptors, if they are open."""
        cdef int i
        if self.ready:
            for i in range(self.state.spares):
                libc.close(self.state.spare[i])
            libc.close(self.state.epoll)
            self.ready = False

    def __dealloc__(self):
        self.close_descriptors()
        free(self.state.addresses)
        free(self.state.spare)
        free(self.state.flights.slots)


def storm(Attempt[::1] records not None, *, int64_t epoch_ns, int64_t begin_ns=0, int64_t duration_ns=0, **arguments):
    """Prepare a storm with the arguments of ``PreparedStorm``, run it with those of its ``run``, and return the result."""
    return PreparedStorm(records, **arguments).run(epoch_ns=epoch_ns, begin_ns=begin_ns, duration_ns=duration_ns)
