# SPDX-License-Identifier: MIT
"""Layout of the client engine: the record, and the state of the loop."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from stress cimport _libc as libc
from stress._address cimport Address
from stress._flights cimport Flights
from stress._stalls cimport Stalls
from stress._uses cimport Use

cdef enum:
    KERNEL = 0
    BIND = 1
    LIST = 2
    NO_PORT = 3
    RANGE = 4
    EACH = 5
    FIN = 0
    RST = 1
    HOLD = 2
    DISCONNECT = 3
    TCP = 0
    MPTCP = 1
    TFO = 2
    EVENTS = 64              # stragglers taken from epoll in one call
    CHUNK_NS = 10_000_000    # the longest sleep; time between two looks at signals, and at the run delay
    SLOW_NS = 500_000        # an attempt that took longer may have waited for a timer
    AHEAD = 2                # records: a cache line of them


cdef packed struct Attempt:
    int64_t start_ns      # just before the first connect(), since the run's epoch
    int64_t latency_ns    # from there until the socket was seen connected or failed
    uint32_t close_ns     # the close() call alone
    uint32_t lag_us
    uint16_t local_port
    uint16_t address
    uint8_t error
    uint8_t retransmits
    uint8_t phase
    uint8_t worker


cdef struct Storm:
    int family
    libc.socklen_t address_size
    Address* addresses       # of the tuple space, source by source
    Py_ssize_t address_count
    uint16_t first_address   # number of the first one in the run
    const uint16_t* address_list   # of each attempt, by the index of port_list; NULL: the addresses in turn
    Py_ssize_t next_address
    int ports
    const uint16_t* port_list
    Py_ssize_t port_count
    Py_ssize_t next_port
    const uint8_t* watched   # one bit per port: whether its attempts may be sent again within SLOW_NS; NULL: all may
    int protocol
    int close
    int* held
    int* spare               # sockets that were disconnected, ready for another attempt
    int spares
    int linger2_s
    uint32_t port_range      # as IP_LOCAL_PORT_RANGE wants it: low in the lower half, high in the upper
    uint8_t worker
    int64_t epoch_ns
    libc.sock_fprog filter   # for each socket before it connects; len 0: none
    int64_t interval_ns      # between intended starts; 0: as fast as the window allows
    int64_t intended_ns      # of the next start
    int64_t catch_up_ns      # so far back late starts are made up for; 0: all are
    int64_t deadline_ns      # of one attempt; 0: the kernel gives up by itself
    int64_t stop_ns          # no start after this; 0: none
    Attempt* records
    Use* uses                # of the same attempts; NULL: connections are not used
    Py_ssize_t attempts
    Py_ssize_t warmup
    Py_ssize_t started
    int epoll
    int window
    Flights flights
    Stalls stalls
