# SPDX-License-Identifier: MIT
"""Old sockets at a server, in any state, whose client is gone without a word (TCP_REPAIR)."""

import os
import signal
import socket
import struct

from worlds.servers import drain, start_server
from worlds.site import PORT, wait_until

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
SEND_QUEUE = 2
AHEAD = 1 << 30  # of the kernel's own sequence numbers: 64 s of their clock
OLD_ISN = 0x11111111
FIN_WAIT_1 = 4  # include/net/tcp_states.h
STATES = ("ESTAB", "CLOSE-WAIT", "FIN-WAIT-1", "FIN-WAIT-2", "LAST-ACK", "TIME-WAIT")


def lay(site, fields, *, port=PORT, source=None, host=None, backlog=1024, stops=False):
    """Start a server and leave old sockets with it; it then serves like any other. Return its process.

    Args:
        site: where.
        fields: the client's ports by state of the server's socket, as ``ss`` names it.
        port: the server's.
        source: the client's address.
        host: the server's, by default where the client goes.
        backlog: of listen().
        stops: whether the server accepts nothing more once the sockets are laid.
    """
    state_of = {client: state for state, clients in fields.items() for client in clients}
    laying = state_of | dict.fromkeys(fields.get("TIME-WAIT", ()), "probe")

    def first(connection, client):
        state = laying.pop(client, "")
        if state == "probe":
            laying[client] = "TIME-WAIT"
        if state in ("FIN-WAIT-2", "TIME-WAIT"):
            connection.shutdown(socket.SHUT_WR)
        return state == "FIN-WAIT-1"

    if blocked := [client for client, state in state_of.items() if state in ("FIN-WAIT-1", "LAST-ACK")]:
        drop_fins(site, blocked, port)
    held = {client for client, state in state_of.items() if state in ("CLOSE-WAIT", "FIN-WAIT-2", "ESTAB")}

    def ends(client):
        return client not in held

    server = start_server(
        site, lambda sockets: drain(sockets, first=first, ends=ends), port=port, host=host, backlog=backlog
    )
    clients = [
        (connect_from(site, client, state, port, source or site.loopback), state) for client, state in state_of.items()
    ]
    wait_for_states(site, {"FIN-WAIT-2": fields.get("FIN-WAIT-2", ())}, port)  # the ACK of the FIN may be late
    for client, state in clients:
        vanish(client, state)
    wait_for_states(site, fields, port)
    if stops:
        os.kill(server, signal.SIGSTOP)
    return server


def drop_fins(site, clients, port):
    """Drop the server's FINs to some clients, the first and all later ones."""
    site.rules(
        f"tcp sport {port} tcp dport {ports_text(clients)} tcp flags & fin == fin drop",
        hook="prerouting",
        priority="-300",
    )


def connect_from(site, client, state, port, source):
    """Connect from a port, and do the client's part of bringing the server's socket into a state."""
    here = socket.socket(socket.AF_INET if site.family == 4 else socket.AF_INET6)
    here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if state == "TIME-WAIT":
        set_sequence(here, next_sequence(site, client, port, source) + AHEAD)
    here.bind((source, client))
    here.connect((site.loopback, port))
    if state in ("CLOSE-WAIT", "LAST-ACK"):
        here.shutdown(socket.SHUT_WR)
    elif state in ("FIN-WAIT-2", "TIME-WAIT"):
        here.recv(1)
    return here


def vanish(client, state):
    """Close a client's socket, silently but for TIME-WAIT; the server's ACK of its FIN may be late, and comes first."""
    if state in ("CLOSE-WAIT", "LAST-ACK"):
        wait_until(lambda: client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != FIN_WAIT_1, lambda: "no ACK")
    if state != "TIME-WAIT":
        client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    client.close()


def next_sequence(site, client, port, source):
    """Return the sequence number that the kernel gives to a connection now."""
    with socket.socket(socket.AF_INET if site.family == 4 else socket.AF_INET6) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        probe.bind((source, client))
        probe.connect((site.loopback, port))
        probe.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        probe.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, SEND_QUEUE)
        sequence = probe.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xFFFFFFFF
        probe.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, -1)
    return sequence


def set_sequence(client, sequence):
    """Let a connection begin with a sequence number."""
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, SEND_QUEUE)
    client.setsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, struct.pack("=I", sequence & 0xFFFFFFFF))
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 0)


def leave_requests(site, clients, *, port=PORT):
    """Leave half-open requests (SYN-RECV) with the server that listens there.

    Their SYN-ACKs are dropped for as long as the world lasts, and no other ones: they acknowledge a number of ours.
    """
    site.rules(
        f"tcp sport {port} tcp flags & (syn|ack) == syn|ack @th,64,32 {OLD_ISN + 1} drop",
        hook="prerouting",
        priority="-300",
    )
    for client in clients:
        here = socket.socket(socket.AF_INET if site.family == 4 else socket.AF_INET6)
        here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        set_sequence(here, OLD_ISN)
        here.setblocking(False)
        here.bind((site.loopback, client))
        here.connect_ex((site.loopback, port))
        here.close()
    wait_for_states(site, {"SYN-RECV": clients}, port)


def wait_for_states(site, fields, port):
    """Wait until the server's sockets are in their states, and no client's is left."""
    wanted = sorted((state, client) for state, clients in fields.items() for client in clients)
    laid = {client for _, client in wanted}
    present = []

    def is_laid():
        present[:] = sorted(entry for entry in sockets_at(site, port) if entry[1] in laid)
        return present == wanted

    wait_until(is_laid, lambda: f"wanted {wanted}, and there are {present}")


def sockets_at(site, port):
    """Return (state, remote port) of all sockets on a port of the server's side."""
    lines = site.call(f"ss -Htan sport = :{port}").splitlines()
    return [(line.split()[0], int(line.split()[4].rpartition(":")[2].replace("*", "0"))) for line in lines]


def ports_text(ports):
    """Return ports as nft takes them."""
    return f"{{ {', '.join(map(str, ports))} }}"
