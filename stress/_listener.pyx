# SPDX-License-Identifier: MIT
"""The server: accept in batches, then close or leak, and count everything on a page shared with the lab.

It runs in a process of its own. A wake-up for every accept() would cost the client a third of its rate, so the
loop drains the queue, naps, and drains again. A connection is closed one nap after its accept(), when the
client's FIN or RST has arrived: two sides that close at the same moment on two CPUs answer about two attempts in
a thousand with an extra RST, and OutRsts would never balance.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc cimport errno
from libc.stdint cimport int64_t

from stress cimport _libc as libc


cdef enum:
    BATCH = 1024             # connections accepted before the loop looks up
    NAP_US = 1000
    IDLE_MS = 100
    ROUNDS = 64              # naps between two looks at pending signals
    _ACCEPTED = 0
    _LEAKED = 1
    _CLOSED = 2
    _STOP = 3
    _ERRORS = 4
    _ERRNOS = 134            # Linux numbers its errors from 1 to 133

# Slots of the report, an array of int64 of shape (SLOTS,). The lab writes STOP, the listener all others;
# accept() errors are counted at ERRORS + errno.
ACCEPTED = _ACCEPTED
LEAKED = _LEAKED
CLOSED = _CLOSED
STOP = _STOP
ERRORS = _ERRORS
SLOTS = _ERRORS + _ERRNOS


cdef struct Listener:
    int fd
    int64_t* report
    int64_t leak             # connections still to leak; -1: all
    bint leave               # whether to accept no more once they are leaked
    int* closing             # accepted in the round before, closed in this one
    int* accepted
    int closing_count
    int accepted_count


cdef void drain(Listener* server) noexcept nogil:
    """Accept what is waiting, at most a batch."""
    cdef int fd
    server.accepted_count = 0
    while server.accepted_count < BATCH and not (server.leave and server.leak == 0):
        fd = libc.accept4(server.fd, NULL, NULL, libc.SOCK_CLOEXEC)
        if fd < 0:
            if errno.errno != errno.EAGAIN:
                server.report[_ERRORS + errno.errno] += 1
            return
        server.report[_ACCEPTED] += 1
        if server.leak != 0:
            server.report[_LEAKED] += 1
            if server.leak > 0:
                server.leak -= 1
        else:
            server.accepted[server.accepted_count] = fd
            server.accepted_count += 1


cdef void close_batch(Listener* server) noexcept nogil:
    cdef int i
    for i in range(server.closing_count):
        libc.close(server.closing[i])
        server.report[_CLOSED] += 1
    server.closing_count = 0


cdef bint run(Listener* server) noexcept nogil:
    """Serve for a few rounds; returns whether the lab has asked to stop."""
    cdef libc.pollfd waiting
    cdef int64_t before
    cdef int i
    waiting.fd = server.fd
    waiting.events = libc.POLLIN
    for i in range(ROUNDS):
        if server.report[_STOP]:
            return True
        before = server.report[_ACCEPTED]
        drain(server)
        close_batch(server)
        server.closing, server.accepted = server.accepted, server.closing
        server.closing_count = server.accepted_count
        if server.report[_ACCEPTED] == before and not (server.leave and server.leak == 0):
            # Nothing came: sleep until something does. After an error such as EMFILE the queue is still
            # full and poll() would return at once, so the nap below keeps that from spinning.
            libc.poll(&waiting, 1, IDLE_MS)
        libc.usleep(NAP_US)
    return False


def serve(int listen_fd, int64_t[::1] report not None, *, int64_t leak=0, str then="close"):
    """Serve a non-blocking listening socket until ``report[STOP]`` is set.

    The first ``leak`` connections (-1: all) are accepted and never closed nor read; those after them are closed
    (``then="close"``) or left in the queue for another process (``then="leave"``). ``report``, shape (SLOTS,),
    is updated as things happen. Leaked descriptors stay open until the process ends.

    Raises ValueError for arguments that cannot be.
    """
    cdef Listener server
    cdef int[BATCH] first
    cdef int[BATCH] second
    cdef bint stopped = False
    if report.shape[0] != SLOTS:
        raise ValueError(f"report must have {SLOTS} slots, not {report.shape[0]}")
    if then not in ("close", "leave"):
        raise ValueError(f"then must be close or leave, not {then!r}")
    if leak < -1:
        raise ValueError(f"leak must be -1 (all) or a number of connections, not {leak}")
    server.fd = listen_fd
    server.report = &report[0]
    server.leak = leak
    server.leave = then == "leave"
    server.closing = first
    server.accepted = second
    server.closing_count = server.accepted_count = 0
    while not stopped:
        with nogil:
            stopped = run(&server)
        PyErr_CheckSignals()
    close_batch(&server)
