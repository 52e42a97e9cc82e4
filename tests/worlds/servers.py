# SPDX-License-Identifier: MIT
"""Servers that a user might have, each in a process of its own."""

import resource
import selectors
import socket
import time

from worlds.world import HOST


def start_server(site, act, *, host=None, port=None, backlog=1024, listeners=1, options=(), nofile=None):
    """Start a server on a site; return its process.

    Args:
        site: where.
        act: what it does with its listening sockets, a function.
        host: its address; by default the site's loopback address.
        port: its port, by default the site's.
        backlog: of listen().
        listeners: how many sockets listen there, with SO_REUSEPORT.
        options: socket options of the listening sockets.
        nofile: descriptors that it may have.
    """
    port = port or site.port
    if site.way == HOST and port == site.port:
        return None  # connstorm run --host brings its own server
    host = host or site.loopback
    sockets = [listen_at(host, port, backlog, options, reuse=listeners > 1) for _ in range(listeners)]

    def serve():
        if nofile:
            resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
        act(sockets)

    child = site.fork(serve)
    for listening in sockets:
        listening.close()
    return child


def listen_at(host, port, backlog, options=(), *, reuse=False):
    """Return a listening socket; at :: it also takes IPv4."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if listening.family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    for option in options:
        listening.setsockopt(*option)
    listening.bind((host, port))
    listening.listen(backlog)
    return listening


def drain(sockets, *, first=lambda _connection, _port: None, ends=lambda _port: True):
    """Accept, read, and close what the client has closed.

    Args:
        sockets: listening ones.
        first: called with every new connection and the client's port; what returns True is over.
        ends: tells whether a connection from a port is closed when its client has closed it.
    """
    selector = selectors.DefaultSelector()
    for listening in sockets:
        listening.setblocking(False)
        selector.register(listening, selectors.EVENT_READ)
    held = []
    while True:
        for key, _ in selector.select():
            if key.fileobj in sockets:
                connection, peer = key.fileobj.accept()
                if first(connection, peer[1]):
                    connection.close()
                elif ends(peer[1]):
                    selector.register(connection, selectors.EVENT_READ)
                else:
                    held.append(connection)
            elif is_over(key.fileobj):
                selector.unregister(key.fileobj)
                key.fileobj.close()


def is_over(connection):
    """Read from a connection; tell whether its client has closed it."""
    try:
        return not connection.recv(1 << 16)
    except OSError:
        return True


def leak(sockets):
    """Accept, and never close."""
    drain(sockets, ends=lambda _port: False)


def close(sockets):
    """Accept, and close at once."""
    drain(sockets, first=lambda _connection, _port: True)


def stand_still(_sockets):
    """Accept nothing."""
    time.sleep(1000)


def drain_first_of_two(sockets):
    """Accept from one listening socket, never from the others."""
    drain(sockets[:1])


def accept_slowly(sockets, pause_s=0.0005, most=400):
    """Accept one connection at a time, and close the oldest when there are many."""
    held = []
    while True:
        held.append(sockets[0].accept()[0])
        time.sleep(pause_s)
        if len(held) > most:
            held.pop(0).close()


def leak_until_full(sockets):
    """Accept and leak, until there is no descriptor left."""
    held = []
    while True:
        try:
            held.append(sockets[0].accept()[0])
        except OSError:
            time.sleep(0.05)


def vanish_after(sockets, count):
    """Close every connection at once, and stop listening after so many."""
    for _ in range(count):
        sockets[0].accept()[0].close()
    sockets[0].close()
    time.sleep(1000)
