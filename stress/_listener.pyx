# SPDX-License-Identifier: MIT
"""The server: accept in batches, then close or leak, and count everything on a page shared with the lab.

It runs in a process of its own. A wake-up for every accept() would cost the client a third of its rate, so the
loop drains the queue, sleeps, and drains again. Where clients use their connections, the byte that each sends is
answered with one, and none is closed before that. A connection is closed 100 ms after its accept(), or sooner when
descriptors run short: by then the client's FIN or RST has arrived, and the delayed ACK of that FIN has been sent. A
server that closes at once does so while the client closes on another CPU: one attempt in four hundred then answers
with an RST more than the protocol needs (a simultaneous close, or an ACK overtaken by a FIN), and OutRsts could not
be accounted for.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc cimport errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

from stress cimport _libc as libc
from stress._uses cimport receive_byte, send_byte

cdef extern from *:
    """
    #ifdef __clang__
    #define BUILD_COMPILER __VERSION__
    #else
    #define BUILD_COMPILER "GCC " __VERSION__
    #endif
    #ifdef Py_LIMITED_API
    #define BUILD_ABI "abi3"
    #else
    #define BUILD_ABI "one version of Python"
    #endif
    #ifndef BUILD_COMMIT
    #define BUILD_COMMIT ""
    #endif
    #ifndef BUILD_CHECKS
    #define BUILD_CHECKS ""
    #endif
    """
    const char* BUILD_ABI
    const char* BUILD_COMPILER
    const char* BUILD_COMMIT
    const char* BUILD_CHECKS
    const long CYTHON_HEX_VERSION

BUILD = {
    "ABI": BUILD_ABI.decode(),
    "compiler": BUILD_COMPILER.decode(),
    "Cython": f"{CYTHON_HEX_VERSION >> 24}.{CYTHON_HEX_VERSION >> 16 & 0xff}.{CYTHON_HEX_VERSION >> 8 & 0xff}",
    "commit": BUILD_COMMIT.decode(),
    "checks": BUILD_CHECKS.decode(),
}


cdef enum:
    BATCH = 1024             # connections accepted from one socket in one round
    RING = 16384             # connections that wait to be closed; a power of two
    CLOSE_AFTER_NS = 100_000_000
    ANSWER_WITHIN_S = 10     # a connection whose client has sent nothing by then is closed all the same
    NAP_US = 1000
    IDLE_MS = 100
    SOCKETS_MAX = 64         # listening sockets of one process
    ROUNDS = 64              # rounds between two checks for pending signals
    _ACCEPTED = 0
    _LEAKED = 1
    _CLOSED = 2
    _READY = 3
    _STOP = 4
    _STARVED_FROM = 5
    _STARVED_TO = 6
    _FIRST = 7
    _ANSWERED = 8
    _ERRORS = 9
    _ERRNOS = 134            # Linux numbers its errors from 1 to 133

# Slots of the report, an array of int64 of shape (SLOTS,). The lab writes STOP, the listener all others;
# READY is 1 once it serves, accept() errors are counted at ERRORS + errno. STARVED_FROM and STARVED_TO are the
# first and the last moment (CLOCK_MONOTONIC, ns) at which accept() found no descriptor; 0 when it always did.
# FIRST counts those of CLOSED that the client had not ended: the server was first. ANSWERED counts bytes answered.
ACCEPTED = _ACCEPTED
LEAKED = _LEAKED
CLOSED = _CLOSED
READY = _READY
STOP = _STOP
STARVED_FROM = _STARVED_FROM
STARVED_TO = _STARVED_TO
FIRST = _FIRST
ANSWERED = _ANSWERED
ERRORS = _ERRORS
SLOTS = _ERRORS + _ERRNOS
PORTS_MAX = SOCKETS_MAX      # listening sockets, and so ports, of one server


cdef struct Waiting:         # a connection that was accepted and is to be closed
    int fd
    int64_t accepted_ns
    bint waits               # for the client's byte


cdef struct Listener:
    libc.pollfd queues[SOCKETS_MAX]
    int sockets
    int64_t* report
    int64_t leak             # connections still to be leaked; -1: all
    bint leave               # whether to accept none after these
    bint answer              # whether clients send a byte that is to be answered
    Waiting* ring
    uint64_t accepted        # counts into the ring; those from `closed` to here wait
    uint64_t closed
    uint64_t unanswered      # the first of those that may wait for the client's byte


cdef void close_oldest(Listener* server) noexcept nogil:
    cdef int fd = server.ring[server.closed % RING].fd
    cdef char byte
    if libc.recv(fd, &byte, 1, libc.MSG_DONTWAIT) < 0 and errno.errno == errno.EAGAIN:
        server.report[_FIRST] += 1
    libc.close(fd)
    server.closed += 1
    server.unanswered = max(server.unanswered, server.closed)
    server.report[_CLOSED] += 1


cdef void answer_bytes(Listener* server) noexcept nogil:
    """Answer every client that has sent its byte; one that has ended its connection waits for nothing."""
    cdef uint64_t number
    cdef Waiting* waiting
    cdef int error
    for number in range(server.unanswered, server.accepted):
        waiting = &server.ring[number % RING]
        if waiting.waits:
            error = receive_byte(waiting.fd)
            if error == errno.EAGAIN:
                continue
            waiting.waits = False
            if error == 0 and send_byte(waiting.fd) == 0:
                server.report[_ANSWERED] += 1
    while server.unanswered < server.accepted and not server.ring[server.unanswered % RING].waits:
        server.unanswered += 1


cdef void drain(Listener* server, int listening) noexcept nogil:
    """Accept what is waiting at one socket, at most a batch."""
    cdef int64_t now_ns = libc.monotonic_ns()
    cdef Waiting* waiting
    cdef int fd, i
    for i in range(BATCH):
        if server.leave and server.leak == 0:
            return
        fd = libc.accept4(listening, NULL, NULL, libc.SOCK_CLOEXEC)
        if fd < 0:
            if errno.errno == errno.EMFILE:
                if server.closed < server.accepted:
                    close_oldest(server)
                    continue
                if server.report[_STARVED_FROM] == 0:
                    server.report[_STARVED_FROM] = now_ns
                server.report[_STARVED_TO] = now_ns
            if errno.errno != errno.EAGAIN:
                server.report[_ERRORS + errno.errno] += 1
            return
        server.report[_ACCEPTED] += 1
        if server.leak != 0:
            server.report[_LEAKED] += 1
            if server.leak > 0:
                server.leak -= 1
            continue
        if server.accepted - server.closed == RING:
            close_oldest(server)
        waiting = &server.ring[server.accepted % RING]
        waiting.fd = fd
        waiting.accepted_ns = now_ns
        waiting.waits = server.answer
        server.accepted += 1


cdef void close_due(Listener* server, int64_t now_ns) noexcept nogil:
    """Close the connections that have been open for long enough, in the order in which they were accepted."""
    cdef Waiting* waiting
    cdef int64_t open_for_ns
    while server.closed < server.accepted:
        waiting = &server.ring[server.closed % RING]
        open_for_ns = ANSWER_WITHIN_S * <int64_t> 1_000_000_000 if waiting.waits else CLOSE_AFTER_NS
        if now_ns - waiting.accepted_ns < open_for_ns:
            return
        close_oldest(server)


cdef bint serve_rounds(Listener* server) noexcept nogil:
    """Serve for some rounds; returns whether the lab has asked to stop."""
    cdef int64_t accepted_before
    cdef int i, queue
    for i in range(ROUNDS):
        if server.report[_STOP]:
            return True
        if server.leave and server.leak == 0:  # it only holds now; fifty such processes must cost nothing
            libc.usleep(IDLE_MS * 1000)
            return False
        accepted_before = server.report[_ACCEPTED]
        for queue in range(server.sockets):
            drain(server, server.queues[queue].fd)
        if server.answer:
            answer_bytes(server)
        close_due(server, libc.monotonic_ns())
        if server.report[_ACCEPTED] == accepted_before and server.accepted == server.closed:
            # Nothing came and nothing waits: sleep until something does. After an error such as EMFILE the queue is
            # still full and poll() returns at once, so that without the sleep below this loop would spin.
            libc.poll(server.queues, server.sockets, IDLE_MS)
        libc.usleep(NAP_US)
    return False


def serve(list listening not None, int64_t[::1] report not None, *, int64_t leak=0, str then="close", bint answer=False):
    """Serve non-blocking listening sockets, given by their descriptors, until ``report[STOP]`` is set.

    The first ``leak`` connections (-1: all) are accepted and never closed nor read; those after them are closed
    (``then="close"``) or left in the queue for another process (``then="leave"``). ``report``, shape (SLOTS,),
    is updated as things happen. Leaked descriptors stay open until the process ends. With ``answer`` a byte from each
    client whose connection is to be closed is waited for, and answered with a byte.

    Raises ValueError for invalid arguments.
    """
    cdef Listener server
    cdef bint stopped = False
    cdef int queue
    if report.shape[0] != SLOTS:
        raise ValueError(f"report must have {SLOTS} slots, not {report.shape[0]}")
    if then not in ("close", "leave"):
        raise ValueError(f"then must be close or leave, not {then!r}")
    if leak < -1:
        raise ValueError(f"leak must be -1 (all) or a number of connections, not {leak}")
    if not 1 <= len(listening) <= SOCKETS_MAX:
        raise ValueError(f"one process serves 1 to {SOCKETS_MAX} sockets, not {len(listening)}")
    server.sockets = len(listening)
    for queue in range(server.sockets):
        server.queues[queue].fd = listening[queue]
        server.queues[queue].events = libc.POLLIN
    server.report = &report[0]
    server.leak = leak
    server.leave = then == "leave"
    server.answer = answer
    server.accepted = server.closed = server.unanswered = 0
    server.ring = <Waiting*> calloc(RING, sizeof(Waiting))
    if server.ring == NULL:
        raise MemoryError("no memory for the listener's ring")
    server.report[_READY] = 1
    try:
        while not stopped:
            with nogil:
                stopped = serve_rounds(&server)
            PyErr_CheckSignals()
        while server.closed < server.accepted:
            close_oldest(&server)
    finally:
        free(server.ring)
