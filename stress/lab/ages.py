# SPDX-License-Identifier: MIT
"""The ages of sockets: how long ago the last segment came from the peer (inet_diag, tcp_get_info())."""

import struct
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab import census, inet_diag

COOKIE, COOKIE_OFFSET = struct.Struct("=Q"), 44  # idiag_cookie in an inet_diag_msg
LAST_RECV, LAST_RECV_OFFSET = struct.Struct("=II"), 52  # tcpi_last_data_recv, tcpi_last_ack_recv in struct tcp_info
TCP_TIMEWAIT_LEN_MS = 60_000  # include/net/tcp.h
TIMED = census.NUMBERS["TIME-WAIT"]
# In these, struct tcp_info tells when the last segment came. SYN-SENT and LISTEN have got none, and of SYN-RECEIVED
# the kernel tells when the next SYN-ACK is due, not when the SYN came.
INFORMED = ("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING")
LIMIT = 1_000_000


def read_ages_ms(sockets: npt.NDArray[Any], *, limit: int = LIMIT) -> npt.NDArray[np.int64]:
    """Return how long ago (ms) the last segment came from the peer of each socket; -1 where that is not known.

    A segment that TCP does not accept does not count: a SYN on the 4-tuple of an old socket, a keepalive probe, a FIN
    sent again (tcp_validate_incoming(), Linux 6.18). Of a TIME-WAIT socket the age follows from its timer, which an
    accepted segment starts anew; of others from struct tcp_info, in steps of a jiffy, modulo 49 days. Not known is that
    of a socket in SYN-RECEIVED, SYN-SENT or LISTEN, of a timewait mini-socket in FIN-WAIT-2, and of one that has gone.

    Costs one more dump, of the namespace's sockets in the states of ``sockets``: 3.3 µs per socket.

    Args:
        sockets: shape (sockets,), dtype census.MESSAGE, as ``list_sockets`` and ``list_family`` return them.
        limit: the dump of each family ends after so many sockets; of the others nothing is known.

    Raises:
        LabError: the kernel does not list TCP sockets.
    """
    ages = np.where(sockets["state"] == TIMED, TCP_TIMEWAIT_LEN_MS - sockets["expires_ms"].astype(np.int64), -1)
    ages = np.maximum(ages, -1)
    informed = np.isin(sockets["state"], [census.NUMBERS[state] for state in INFORMED])
    for domain in np.unique(sockets["family"][informed]).tolist():
        rows = np.flatnonzero(informed & (sockets["family"] == domain))
        ages_by_cookie = dict(islice(iterate_ages(domain, sockets[rows]), limit))
        ages[rows] = [ages_by_cookie.get(cookie, -1) for cookie in sockets["cookie"][rows].tolist()]
    return ages


def iterate_ages(domain: int, sockets: npt.NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Yield cookie and age (ms) of the namespace's sockets that have the states, and the one local port, of some."""
    states = [census.STATES[state] for state in np.unique(sockets["state"]).tolist()]
    ports = np.unique(sockets["local_port"]).tolist()
    for message in inet_diag.dump_messages(
        domain,
        census.state_mask(states),
        attribute=inet_diag.INFO,
        local_port=ports[0] if len(ports) == 1 else 0,
    ):
        (cookie,) = COOKIE.unpack_from(message, COOKIE_OFFSET)
        yield cookie, parse_age(inet_diag.parse_attributes(message[inet_diag.MESSAGE_BYTES :]).get(inet_diag.INFO, b""))


def parse_age(info: bytes) -> int:
    """Return the age (ms) that a struct tcp_info tells; -1 if it is too short to.

    The younger of data and ACK: a FIN is no data, and data that acknowledges nothing new may not pass tcp_ack().
    """
    if len(info) < LAST_RECV_OFFSET + LAST_RECV.size:
        return -1
    age_ms: int = min(LAST_RECV.unpack_from(info, LAST_RECV_OFFSET))
    return age_ms
