# SPDX-License-Identifier: MIT
"""Keepalive probes of a server's sockets."""

import socket

PROBE_INTERVAL_S, PROBES = 1, 3  # once a connection has been idle for long enough


def set_keepalive(listener: socket.socket, keepalive_s: int) -> None:
    """Let accepted sockets, which inherit all four options, probe a client that has been idle for so long."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive_s)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_INTERVAL_S)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
