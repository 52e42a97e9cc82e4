# SPDX-License-Identifier: MIT
"""Addresses as the system calls take them."""

from libc.stdint cimport int64_t, uint16_t, uint32_t
from libc.string cimport memset

from stress cimport _libc as libc


cdef struct Address:         # where a connection comes from and where it goes to
    libc.sockaddr_in6 source # large enough for IPv4 too
    libc.sockaddr_in6 target


cdef inline int fill_address(libc.sockaddr_in6* address, int family, str text, int64_t offset, int64_t port) except -1:
    """Fill in a port and the address that comes ``offset`` addresses after ``text``."""
    cdef bytes encoded = text.encode("ascii")
    cdef libc.sockaddr_in* older = <libc.sockaddr_in*> address
    cdef int parsed
    memset(address, 0, sizeof(libc.sockaddr_in6))
    address.sin6_family = <libc.sa_family_t> family
    address.sin6_port = libc.htons(<uint16_t> port)
    if family == libc.AF_INET:
        parsed = libc.inet_pton(family, encoded, &older.sin_addr)
        older.sin_addr.s_addr = libc.htonl(<uint32_t> (libc.ntohl(older.sin_addr.s_addr) + offset))
    else:
        parsed = libc.inet_pton(family, encoded, &address.sin6_addr)
    if parsed != 1:
        raise ValueError(f"{text!r} is not an IPv{4 if family == libc.AF_INET else 6} address")
    return 0
