# SPDX-License-Identifier: MIT
"""What the kernel says about one socket."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from stress cimport _libc as libc


cdef inline uint16_t local_port(int fd) noexcept nogil:
    cdef libc.sockaddr_storage name
    cdef libc.socklen_t size = sizeof(name)
    if libc.getsockname(fd, <libc.sockaddr*> &name, &size) != 0:
        return 0
    return libc.ntohs((<libc.sockaddr_in6*> &name).sin6_port)


cdef inline uint8_t total_retransmits(int fd) noexcept nogil:
    cdef libc.tcp_info info
    cdef libc.socklen_t size = sizeof(info)
    if libc.getsockopt(fd, libc.IPPROTO_TCP, libc.TCP_INFO, &info, &size) != 0:
        return 0
    return <uint8_t> min(info.tcpi_total_retrans, <uint32_t> 255)
