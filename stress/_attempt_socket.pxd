# SPDX-License-Identifier: MIT
"""The socket of one attempt, from its addresses and options to its end."""

from libc cimport errno
from libc.stdint cimport int64_t, uint16_t, uint32_t

from stress cimport _libc as libc
from stress._address cimport Address
from stress._storm cimport DISCONNECT, EACH, HOLD, MPTCP, NO_PORT, RANGE, RST, TFO, Attempt, Storm


cdef inline Address* choose_address(Storm* storm, Attempt* attempt) noexcept nogil:
    """Give an attempt its pair of addresses, and its port where the caller has listed ports."""
    cdef Py_ssize_t number = storm.next_address
    if storm.port_count:
        attempt.local_port = storm.port_list[storm.next_port]
        if storm.address_list != NULL:
            number = storm.address_list[storm.next_port]
        storm.next_port += 1
        if storm.next_port == storm.port_count:
            storm.next_port = 0
    if storm.address_list == NULL:
        storm.next_address += 1
        if storm.next_address == storm.address_count:
            storm.next_address = 0
    attempt.address = <uint16_t> (storm.first_address + number)
    return &storm.addresses[number]


cdef inline int make_socket(Storm* storm, Address* address) noexcept nogil:
    """Return a socket with the options that outlast a connection, or -1 (errno says why)."""
    cdef int one = 1
    cdef libc.linger reset = libc.linger(l_onoff=1, l_linger=0)
    cdef int fd = libc.socket(storm.family, libc.SOCK_STREAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC,
                              libc.IPPROTO_MPTCP if storm.protocol == MPTCP else 0)
    if fd < 0:
        return -1
    if storm.filter.len:
        libc.setsockopt(fd, libc.SOL_SOCKET, libc.SO_ATTACH_FILTER, &storm.filter, sizeof(storm.filter))
    if storm.close == RST:
        libc.setsockopt(fd, libc.SOL_SOCKET, libc.SO_LINGER, &reset, sizeof(reset))
    if storm.protocol == TFO:
        libc.setsockopt(fd, libc.IPPROTO_TCP, libc.TCP_FASTOPEN_CONNECT, &one, sizeof(one))
    if storm.linger2_s:
        libc.setsockopt(fd, libc.IPPROTO_TCP, libc.TCP_LINGER2, &storm.linger2_s, sizeof(int))
    if storm.ports == RANGE:
        libc.setsockopt(fd, libc.IPPROTO_IP, libc.IP_LOCAL_PORT_RANGE, &storm.port_range, sizeof(storm.port_range))
    if storm.ports == NO_PORT or ((storm.ports == RANGE or storm.ports == EACH) and storm.address_count > 1):
        libc.setsockopt(fd, libc.IPPROTO_IP, libc.IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one))
        address.source.sin6_port = 0
        if libc.bind(fd, <libc.sockaddr*> &address.source, storm.address_size) != 0:
            one = errno.errno
            libc.close(fd)
            errno.errno = one
            return -1
    return fd


cdef inline int64_t close_connected(Storm* storm, Attempt* attempt, int fd, int64_t close_start_ns) noexcept nogil:
    """End a connected socket as the plan says; returns when that was done (ns), 0 when the socket is held open."""
    cdef libc.sockaddr nowhere
    cdef int64_t close_end_ns
    if storm.close == HOLD:
        storm.held[attempt - storm.records] = fd
        return 0
    if storm.close == DISCONNECT:
        storm.spare[storm.spares] = fd
        storm.spares += 1
        nowhere.sa_family = libc.AF_UNSPEC
        libc.connect(fd, &nowhere, sizeof(nowhere))  # tcp_disconnect(): it cannot fail, and sends an RST
    else:
        libc.close(fd)
    close_end_ns = libc.monotonic_ns()
    attempt.close_ns = <uint32_t> min(close_end_ns - close_start_ns, <int64_t> 0xFFFFFFFF)
    return close_end_ns
