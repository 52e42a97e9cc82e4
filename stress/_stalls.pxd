# SPDX-License-Identifier: MIT
"""Stalls: intervals in which the loop did not run although it had something to do.

Every attempt costs one comparison and one store: whether the clock passed ``due_ns``. What passed it is looked at here.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport strtoll

from stress cimport _libc as libc

cdef enum:
    LOOP = 1                 # two readings of the clock too far apart, without a sleep or a connect() between them
    SLEEP = 2                # epoll_wait() returned too late
    CONNECT = 3              # a connect() that waited for a CPU
    STALLS = 256             # that have room


cdef struct Stall:
    int64_t start_ns         # last reading of the clock before it
    int64_t end_ns           # first reading after it
    uint8_t kind


cdef struct RunDelay:        # of this thread, /proc/thread-self/schedstat
    int64_t read_ns          # not after it was read
    int64_t total_ns         # waited for a CPU: sched_info.run_delay
    int64_t waits            # that it waited, each time in one piece: sched_info.pcount


cdef struct Stalls:
    int64_t due_ns           # a reading of the clock after this moment comes too late
    int64_t allowed_ns       # between two readings: a jiffy, or without limit
    int64_t asleep_ns        # longer that the next reading may take, because a sleep comes first
    int64_t jiffy_ns         # 0: stalls are not looked for
    int schedstat            # descriptor; -1: none
    bint has_long_gap        # since `delay` was read, one interval between readings may hide a wait of over a jiffy
    RunDelay delay
    Py_ssize_t count
    Py_ssize_t missed        # found no room
    Stall entries[STALLS]


cdef inline void open_stalls(Stalls* stalls) noexcept nogil:
    """Begin to look for stalls, in the thread that will loop; the first reading of the clock comes in time."""
    stalls.due_ns = <int64_t> 1 << 61
    stalls.allowed_ns = stalls.jiffy_ns if stalls.jiffy_ns else <int64_t> 1 << 61
    stalls.schedstat = -1
    if stalls.jiffy_ns:
        stalls.schedstat = libc.open("/proc/thread-self/schedstat", libc.O_RDONLY | libc.O_CLOEXEC)


cdef inline void close_stalls(Stalls* stalls) noexcept nogil:
    """Close the descriptor, if it is open."""
    if stalls.schedstat >= 0:
        libc.close(stalls.schedstat)
    stalls.schedstat = -1


cdef inline void read_run_delay(Stalls* stalls, int64_t now_ns) noexcept nogil:
    """Read how long this thread has waited for a CPU; one system call, of which the attempts get none."""
    cdef char text[80]       # three decimal numbers of at most 20 digits
    cdef char* rest = text
    cdef ssize_t size
    if stalls.schedstat < 0:
        return
    size = libc.pread(stalls.schedstat, text, sizeof(text) - 1, 0)
    if size <= 0:
        close_stalls(stalls)
        return
    text[size] = 0
    strtoll(rest, &rest, 10)  # time on a CPU, up to a jiffy old
    stalls.delay.total_ns = strtoll(rest, &rest, 10)
    stalls.delay.waits = strtoll(rest, &rest, 10)
    stalls.delay.read_ns = now_ns
    stalls.has_long_gap = False


cdef inline void add_stall(Stalls* stalls, int64_t start_ns, int64_t end_ns, uint8_t kind) noexcept nogil:
    """Record a stall, or count it where there is no room."""
    if stalls.count == STALLS:
        stalls.missed += 1
        return
    stalls.entries[stalls.count] = Stall(start_ns, end_ns, kind)
    stalls.count += 1


cdef inline void begin_sleep(Stalls* stalls, int timeout_ms) noexcept nogil:
    """Allow the next reading of the clock to come as much later as epoll_wait() may sleep."""
    stalls.asleep_ns = <int64_t> timeout_ms * 1_000_000
    stalls.due_ns += stalls.asleep_ns


cdef inline int64_t read_clock(Stalls* stalls) noexcept nogil:
    """Read the monotonic clock (ns) where no connect() came before, and look whether a stall did."""
    cdef int64_t now_ns = libc.monotonic_ns()
    if now_ns > stalls.due_ns:
        add_stall(stalls, stalls.due_ns - stalls.allowed_ns - stalls.asleep_ns, now_ns,
                  SLEEP if stalls.asleep_ns else LOOP)
        stalls.has_long_gap = True
    stalls.due_ns = now_ns + stalls.allowed_ns
    stalls.asleep_ns = 0
    return now_ns


cdef inline bint has_waited(Stalls* stalls, int64_t length_ns, int64_t now_ns) noexcept nogil:
    """Tell whether the thread waited for a CPU for all of a long connect() but one jiffy: without that it was not long.

    The run delay is known over an interval that the connect() is a part of. What was waited outside of it is at most
    the rest of the interval. It is also at most a jiffy for each wait but one when no two readings of the clock outside
    of it lie more than a jiffy apart: then one wait that is longer can only be inside.
    """
    cdef RunDelay before = stalls.delay
    cdef bint has_long_gap = stalls.has_long_gap
    cdef int64_t delay_ns, waits, end_ns, inside_ns
    read_run_delay(stalls, now_ns)
    if stalls.schedstat < 0:
        return False
    end_ns = libc.monotonic_ns()
    delay_ns = stalls.delay.total_ns - before.total_ns
    waits = stalls.delay.waits - before.waits
    inside_ns = delay_ns - (end_ns - before.read_ns - length_ns)
    if not has_long_gap and end_ns - now_ns <= stalls.jiffy_ns and waits and delay_ns > waits * stalls.jiffy_ns:
        inside_ns = max(inside_ns, delay_ns - (waits - 1) * stalls.jiffy_ns)
    return inside_ns >= length_ns - stalls.jiffy_ns


cdef inline void note_late_attempt(Stalls* stalls, int64_t start_ns, int64_t end_ns, int64_t now_ns) noexcept nogil:
    """Look at an attempt after which the clock had passed ``due_ns``; its connect() went from start to end."""
    cdef int64_t before_ns = stalls.due_ns - stalls.allowed_ns
    if start_ns - before_ns > stalls.jiffy_ns:
        add_stall(stalls, before_ns, start_ns, LOOP)
        stalls.has_long_gap = True
    if now_ns - end_ns > stalls.jiffy_ns:
        add_stall(stalls, end_ns, now_ns, LOOP)
        stalls.has_long_gap = True
    if end_ns - start_ns > stalls.jiffy_ns and has_waited(stalls, end_ns - start_ns, now_ns):
        add_stall(stalls, start_ns, end_ns, CONNECT)


cdef inline void note_attempt(Stalls* stalls, int64_t start_ns, int64_t latency_ns, int64_t now_ns) noexcept nogil:
    """Look at an attempt, of which the clock was read last at ``now_ns``."""
    if now_ns > stalls.due_ns:
        note_late_attempt(stalls, start_ns, start_ns + latency_ns, now_ns)
    stalls.due_ns = now_ns + stalls.allowed_ns


cdef inline list list_stalls(Stalls* stalls, int64_t epoch_ns):
    """Return the stalls as (start_ns, end_ns, kind), counted from an epoch, by their starts."""
    cdef Py_ssize_t i
    cdef list listed = []
    for i in range(stalls.count):
        listed.append((stalls.entries[i].start_ns - epoch_ns, stalls.entries[i].end_ns - epoch_ns,
                       "loop" if stalls.entries[i].kind == LOOP
                       else "sleep" if stalls.entries[i].kind == SLEEP else "connect"))
    listed.sort()
    return listed
