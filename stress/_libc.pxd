# SPDX-License-Identifier: MIT
"""Declarations of the system headers that the two engines use, in header order, and nothing else."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    ctypedef unsigned short sa_family_t
    cdef struct sockaddr:
        sa_family_t sa_family
    cdef struct sockaddr_storage:
        sa_family_t ss_family
    cdef struct linger:
        int l_onoff
        int l_linger
    enum:
        AF_UNSPEC
        MSG_DONTWAIT
        MSG_NOSIGNAL
        AF_INET
        AF_INET6
        SOCK_STREAM
        SOCK_NONBLOCK
        SOCK_CLOEXEC
        SOL_SOCKET
        SO_ERROR
        SO_LINGER
        SO_ATTACH_FILTER
    int socket(int domain, int type, int protocol)
    int bind(int fd, const sockaddr* address, socklen_t size)
    int connect(int fd, const sockaddr* address, socklen_t size)
    ssize_t recv(int fd, void* buffer, size_t size, int flags)
    ssize_t send(int fd, const void* buffer, size_t size, int flags)
    int accept4(int fd, sockaddr* address, socklen_t* size, int flags)
    int getsockname(int fd, sockaddr* address, socklen_t* size)
    int getsockopt(int fd, int level, int option, void* value, socklen_t* size)
    int setsockopt(int fd, int level, int option, const void* value, socklen_t size)

cdef extern from "<netinet/in.h>" nogil:
    # sin_port and sin6_port lie at the same offset; the loop writes the port through sockaddr_in6.
    cdef struct in_addr:
        uint32_t s_addr
    cdef struct in6_addr:
        pass
    cdef struct sockaddr_in:
        uint16_t sin_port
        in_addr sin_addr
    cdef struct sockaddr_in6:
        sa_family_t sin6_family
        uint16_t sin6_port
        in6_addr sin6_addr
    enum:
        IPPROTO_IP
        IPPROTO_TCP

cdef extern from "<arpa/inet.h>" nogil:
    int inet_pton(int family, const char* text, void* address)
    uint16_t htons(uint16_t port)
    uint16_t ntohs(uint16_t port)
    uint32_t htonl(uint32_t number)
    uint32_t ntohl(uint32_t number)

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint32_t u32
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    enum:
        EPOLL_CLOEXEC
        EPOLL_CTL_ADD
        EPOLL_CTL_DEL
        EPOLL_CTL_MOD
        EPOLLIN
        EPOLLOUT
    int epoll_create1(int flags)
    int epoll_ctl(int epoll, int operation, int fd, epoll_event* event)
    int epoll_wait(int epoll, epoll_event* events, int size, int timeout_ms)

cdef extern from "<fcntl.h>" nogil:
    enum:
        O_RDONLY
        O_CLOEXEC
    int open(const char* path, int flags)

cdef extern from "<poll.h>" nogil:
    cdef struct pollfd:
        int fd
        short events
    enum:
        POLLIN
    int poll(pollfd* fds, unsigned long count, int timeout_ms)

cdef extern from "<unistd.h>" nogil:
    int close(int fd)
    ssize_t pread(int fd, void* buffer, size_t size, long offset)
    int usleep(unsigned int microseconds)

cdef extern from "<linux/filter.h>" nogil:
    cdef struct sock_filter:
        pass
    cdef struct sock_fprog:
        unsigned short len
        sock_filter* filter

cdef extern from "_compat.h" nogil:
    cdef struct tcp_info:
        uint32_t tcpi_total_retrans
    enum:
        TCP_INFO
        TCP_LINGER2
        TCP_FASTOPEN_CONNECT
        IPPROTO_MPTCP
        IP_BIND_ADDRESS_NO_PORT
        IP_LOCAL_PORT_RANGE
    int64_t monotonic_ns()
    void prefetch_to_write(const void* where)
