# SPDX-License-Identifier: MIT
"""States of a namespace, made by hand."""

import socket

import numpy as np

from stress.lab import census, listening
from stress.lab.namespace_state import NamespaceState
from stress.model.inspection import SocketOwner

NOW_NS = 1_790_000_000 * 10**9  # 2026-09-21 14:13:20 UTC
SERVER = "127.0.0.1"
ANYWHERE = listening.ANYWHERE[4]
NGINX = SocketOwner(33, "www-data", 123, "nginx")


def a_socket(local, remote, state, *, inode=1, uid=33, cookie=None, age_ms=120_000):
    """Return one socket as a row of ``state_of``: endpoints as (address, port)."""
    return (local, remote, state, inode, uid, cookie, age_ms)


def pair(port, server_state, client_state=None, *, server=(SERVER, 8080), client=SERVER, inode=1, age_ms=120_000):
    """Return a server's socket whose client has a port, and the client's half if that is there."""
    rows = [a_socket(server, (client, port), server_state, inode=inode, age_ms=age_ms)]
    if client_state is not None:
        rows.append(a_socket((client, port), server, client_state, inode=2, uid=1000, age_ms=age_ms))
    return rows


def table_of(rows):
    """Return sockets as census.MESSAGE has them, with families and ages."""
    sockets = np.zeros(len(rows), census.MESSAGE)
    families = np.full(len(rows), 4, np.uint8)
    for number, (local, remote, state, inode, uid, cookie, _) in enumerate(rows):
        family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
        families[number] = 6 if family == socket.AF_INET6 else 4
        sockets[number]["family"] = family
        sockets[number]["state"] = census.NUMBERS[state]
        for side, (address, port) in (("local", local), ("remote", remote)):
            sockets[number][f"{side}_address"] = socket.inet_pton(family, address).ljust(16, b"\0")
            sockets[number][f"{side}_port"] = port
        sockets[number]["cookie"] = number + 1 if cookie is None else cookie
        sockets[number]["inode"], sockets[number]["uid"] = inode, uid
    return sockets, families, np.array([row[-1] for row in rows], np.int64)


def a_listener(address=ANYWHERE, port=8080, *, waiting=0, limit=128, drops=0, cookie=1000, inode=9, is_v6only=False):
    """Return a listening socket of user 33."""
    return listening.ListeningSocket(address, port, cookie, drops, waiting, limit, 33, inode, is_v6only)


def state_of(rows=(), listeners=None, **changes):
    """Return the state of a namespace with some sockets; nginx[123] holds those with inodes 1 and 9."""
    sockets, families, ages_ms = table_of(list(rows))
    fields = {
        "realtime_ns": NOW_NS,
        "sockets": sockets,
        "families": families,
        "ages_ms": ages_ms,
        "is_active_open": np.zeros(len(sockets), np.bool_),
        "bound": table_of([])[0],
        "listeners": [a_listener()] if listeners is None else listeners,
        "owners": {1: NGINX, 9: NGINX},
        "holders": {1: [123], 9: [123, 124]},
        "addresses": frozenset({"127.0.0.1", "10.0.0.5", "::1"}),
        "port_range": (32768, 60999),
        "reserved": frozenset(),
        "sysctls": {"net.core.somaxconn": "4096", "net.ipv4.tcp_tw_reuse": "2", "net.ipv4.tcp_timestamps": "1"},
        "counters": {},
        "conntrack": {},
        "conntrack_entries": None,
    }
    return NamespaceState(**(fields | changes))
