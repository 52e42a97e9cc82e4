# SPDX-License-Identifier: MIT
"""The ages of sockets: how long ago the last segment came from the peer (inet_diag, tcp_get_info())."""

import socket
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab import census, socket_info

LAST_DATA_RECV_OFFSET = 52  # tcpi_last_data_recv in struct tcp_info, ms
LAST_ACK_RECV_OFFSET = 56  # tcpi_last_ack_recv, ms
TCP_TIMEWAIT_LEN_MS = 60_000  # include/net/tcp.h
TIMED = census.NUMBERS["TIME-WAIT"]
# In these, struct tcp_info tells when the last segment came. SYN-SENT and LISTEN have got none, and of SYN-RECEIVED
# the kernel tells when the next SYN-ACK is due, not when the SYN came.
INFORMED = ("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING")
INFORMED_NUMBERS = [census.NUMBERS[state] for state in INFORMED]


def read_ages_ms(sockets: npt.NDArray[Any], *, limit: int = socket_info.LIMIT) -> npt.NDArray[np.int64]:
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
    family: int, states: Iterable[str], *, local_port: int = 0, limit: int = socket_info.LIMIT
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
    for sockets, info in socket_info.dump_informed(family, states, local_port=local_port, limit=limit):
        tables.append(sockets)
        ages.append(age_all(sockets, info))
    return np.concatenate(tables), np.concatenate(ages)


def age_all(sockets: npt.NDArray[Any], info: socket_info.SocketInfo) -> npt.NDArray[np.int64]:
    """Return the ages (ms) of the sockets of a dump, shape (sockets,), as ``list_aged`` has them."""
    told = read_told_ages(info)
    told[~np.isin(sockets["state"], INFORMED_NUMBERS)] = -1
    return np.maximum(told, timer_ages(sockets))


def timer_ages(sockets: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the ages (ms) that timers tell, those of TIME-WAIT; -1 for other states."""
    left_ms = sockets["expires_ms"].astype(np.int64)
    return np.where(sockets["state"] == TIMED, np.maximum(TCP_TIMEWAIT_LEN_MS - left_ms, -1), -1)


def read_told_ages(info: socket_info.SocketInfo) -> npt.NDArray[np.int64]:
    """Return the age (ms) that the struct tcp_info of each socket tells; -1 without one, or if it is too short to.

    The younger of data and ACK: a FIN is no data, and data that acknowledges nothing new may not pass tcp_ack().
    """
    ages = np.full(len(info.sizes), -1, np.int64)
    rows = info.rows_with(LAST_ACK_RECV_OFFSET, "=u4")
    ages[rows] = np.minimum(
        info.number(rows, LAST_DATA_RECV_OFFSET, "=u4"), info.number(rows, LAST_ACK_RECV_OFFSET, "=u4")
    )
    return ages
