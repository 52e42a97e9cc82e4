# SPDX-License-Identifier: MIT
"""The ages of sockets: how long ago the last segment came from the peer (inet_diag, tcp_get_info())."""

import socket
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab import census, inet_diag

LAST_RECV_OFFSET = 52  # tcpi_last_data_recv, tcpi_last_ack_recv in struct tcp_info: 4 bytes each, ms
LAST_RECV_BYTES = 8
TCP_TIMEWAIT_LEN_MS = 60_000  # include/net/tcp.h
TIMED = census.NUMBERS["TIME-WAIT"]
# In these, struct tcp_info tells when the last segment came. SYN-SENT and LISTEN have got none, and of SYN-RECEIVED
# the kernel tells when the next SYN-ACK is due, not when the SYN came.
INFORMED = ("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING")
INFORMED_NUMBERS = [census.NUMBERS[state] for state in INFORMED]
LIMIT = 1_000_000
BATCH_BYTES = 1 << 20  # numpy takes 80 sockets in hardly less time than 2,000


def read_ages_ms(sockets: npt.NDArray[Any], *, limit: int = LIMIT) -> npt.NDArray[np.int64]:
    """Return how long ago (ms) the last segment came from the peer of each socket; -1 where that is not known.

    What counts as a segment, and of which states nothing is known, says ``list_aged``. Costs one more dump, of the
    namespace's sockets in the states of ``sockets``.

    Args:
        sockets: shape (sockets,), dtype census.MESSAGE, as ``list_sockets`` and ``list_family`` return them.
        limit: the dump of each family ends after so many sockets; of the others nothing is known.

    Raises:
        LabError: the kernel does not list TCP sockets.
    """
    ages = timer_ages(sockets)
    informed = np.isin(sockets["state"], INFORMED_NUMBERS)
    for domain in np.unique(sockets["family"][informed]).tolist():
        rows = np.flatnonzero(informed & (sockets["family"] == domain))
        states = [census.STATES[state] for state in np.unique(sockets["state"][rows]).tolist()]
        ports = np.unique(sockets["local_port"][rows]).tolist()
        listed, listed_ages = list_aged(
            4 if domain == socket.AF_INET else 6, states, local_port=ports[0] if len(ports) == 1 else 0, limit=limit
        )
        order = np.argsort(listed["cookie"])
        cookies = listed["cookie"][order]
        places = np.searchsorted(cookies, sockets["cookie"][rows])
        there = places < len(cookies)
        there[there] = cookies[places[there]] == sockets["cookie"][rows[there]]
        ages[rows[there]] = listed_ages[order[places[there]]]
    return ages


def list_aged(
    family: int, states: Iterable[str], *, local_port: int = 0, limit: int = LIMIT
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """List the TCP sockets of this namespace in some states with their ages, in one dump.

    A segment that TCP does not accept makes no socket younger: a SYN on the 4-tuple of an old socket, a keepalive
    probe, a FIN sent again (tcp_validate_incoming(), Linux 6.18). Of a TIME-WAIT socket the age follows from its timer,
    which an accepted segment starts anew; of others from struct tcp_info, in steps of a jiffy, modulo 49 days. Not
    known is that of a socket in SYN-RECEIVED, SYN-SENT or LISTEN, and of a timewait mini-socket in FIN-WAIT-2.

    Args:
        family: 4 or 6, of the sockets, as ``census.list_sockets`` has it.
        states: names in census.MASKS.
        local_port: only sockets with this local port; 0 is any.
        limit: no more sockets than this.

    Returns:
        The sockets, shape (sockets,), dtype census.MESSAGE, and how long ago (ms) the last segment came from the peer
        of each; -1: not known.

    Raises:
        LabError: the kernel does not list TCP sockets.
    """
    tables, ages = [np.empty(0, census.MESSAGE)], [np.empty(0, np.int64)]
    left = limit
    domain = socket.AF_INET if family == 4 else socket.AF_INET6
    for data, begins in join_datagrams(domain, census.state_mask(states), local_port):
        raw = np.frombuffer(data, np.uint8)
        sockets = raw[begins[:left, None] + np.arange(inet_diag.MESSAGE_BYTES)].view(census.MESSAGE)[:, 0]
        told = read_told_ages(raw, begins[:left])
        told[~np.isin(sockets["state"], INFORMED_NUMBERS)] = -1
        tables.append(sockets)
        ages.append(np.maximum(told, timer_ages(sockets)))
        left -= len(sockets)
        if not left:
            break
    return np.concatenate(tables), np.concatenate(ages)


def timer_ages(sockets: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the ages (ms) that timers tell, those of TIME-WAIT; -1 for other states."""
    left_ms = sockets["expires_ms"].astype(np.int64)
    return np.where(sockets["state"] == TIMED, np.maximum(TCP_TIMEWAIT_LEN_MS - left_ms, -1), -1)


def join_datagrams(domain: int, mask: int, local_port: int) -> Iterator[tuple[bytes, npt.NDArray[np.intp]]]:
    """Yield parts of a dump with INFO, several datagrams in one, and where each message begins in it."""
    parts: list[bytes] = []
    begins: list[int] = []
    size = 0
    for data, offsets in inet_diag.dump_datagrams(domain, mask, attribute=inet_diag.INFO, local_port=local_port):
        begins += [offset + size for offset in offsets]
        parts.append(data)
        size += len(data)
        if size >= BATCH_BYTES:
            yield b"".join(parts), np.array(begins, np.intp)
            parts, begins, size = [], [], 0
    yield b"".join(parts), np.array(begins, np.intp)


def read_told_ages(data: npt.NDArray[np.uint8], begins: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """Return the age (ms) that the struct tcp_info of each message tells; -1 without one, or if it is too short to.

    The younger of data and ACK: a FIN is no data, and data that acknowledges nothing new may not pass tcp_ack().

    Args:
        data: of a dump.
        begins: where each inet_diag_msg begins in it, after its netlink header.
    """
    lengths = number_at(data, begins - inet_diag.HEADER.size, "=u4").astype(np.intp)
    places, sizes = find_attribute(
        data, begins + inet_diag.MESSAGE_BYTES, begins - inet_diag.HEADER.size + lengths, inet_diag.INFO
    )
    ages = np.full(len(begins), -1, np.int64)
    rows = np.flatnonzero(sizes >= LAST_RECV_OFFSET + LAST_RECV_BYTES)
    last = places[rows] + LAST_RECV_OFFSET
    ages[rows] = np.minimum(number_at(data, last, "=u4"), number_at(data, last + 4, "=u4"))
    return ages


def find_attribute(
    data: npt.NDArray[np.uint8], begins: npt.NDArray[np.intp], ends: npt.NDArray[np.intp], kind: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return where the attribute of a type is in each message, as ``inet_diag.parse_attributes`` does in one.

    All messages are read at the same time, one attribute after the other.

    Args:
        data: bytes of all messages.
        begins: where the attributes of each message begin.
        ends: where they end.
        kind: type of the attribute.

    Returns:
        Where its content begins and how many bytes it has, each of shape (messages,); -1 and 0 where there is none.
    """
    places, sizes = np.full(len(begins), -1, np.intp), np.zeros(len(begins), np.intp)
    rows, cursors = np.arange(len(begins)), begins
    while len(rows):
        whole = cursors + inet_diag.ATTRIBUTE.size <= ends[rows]
        rows, cursors = rows[whole], cursors[whole]
        lengths = number_at(data, cursors, "=u2").astype(np.intp)
        kinds = number_at(data, cursors + 2, "=u2") & inet_diag.TYPE_MASK
        whole = (lengths >= inet_diag.ATTRIBUTE.size) & (cursors + lengths <= ends[rows])
        wanted = whole & (kinds == kind)
        places[rows[wanted]] = cursors[wanted] + inet_diag.ATTRIBUTE.size
        sizes[rows[wanted]] = lengths[wanted] - inet_diag.ATTRIBUTE.size
        more = whole & ~wanted
        rows, cursors = rows[more], cursors[more] + ((lengths[more] + 3) & ~3)
    return places, sizes


def number_at(data: npt.NDArray[np.uint8], places: npt.NDArray[np.intp], kind: str) -> npt.NDArray[Any]:
    """Return a number of some type from each place, shape (places,)."""
    numbers: npt.NDArray[Any] = data[places[:, None] + np.arange(np.dtype(kind).itemsize)].view(kind)[:, 0]
    return numbers
