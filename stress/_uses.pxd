# SPDX-License-Identifier: MIT
"""The use of a connection: one byte to the server, and one byte back."""

from libc cimport errno
from libc.stdint cimport int64_t, uint8_t

from stress cimport _libc as libc


cdef packed struct Use:
    int64_t use_ns           # from before send() until the answer was read; in flight: when it began
    uint8_t error


cdef inline int send_byte(int fd) noexcept nogil:
    """Send one byte; returns 0 or an errno."""
    cdef char byte = 1
    if libc.send(fd, &byte, 1, libc.MSG_DONTWAIT | libc.MSG_NOSIGNAL) == 1:
        return 0
    return errno.errno


cdef inline int receive_byte(int fd) noexcept nogil:
    """Read one byte; returns 0, EAGAIN while there is none, ENODATA at the end of the stream, or another errno."""
    cdef char byte
    cdef ssize_t size = libc.recv(fd, &byte, 1, libc.MSG_DONTWAIT)
    if size == 1:
        return 0
    return errno.ENODATA if size == 0 else errno.errno
