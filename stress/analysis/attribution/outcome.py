# SPDX-License-Identifier: MIT
"""The outcome of every attempt, from its errno and its retransmits."""

import errno
from ipaddress import ip_address
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.chunk import chunks, fill_mask
from stress.model.outcome import Outcome
from stress.model.record import Address

OUTCOMES = list(Outcome)  # the code of an outcome is its index

OUTCOME_BY_ERRNO = {
    0: Outcome.CONNECTED,
    errno.ETIMEDOUT: Outcome.TIMED_OUT,
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.ECONNRESET: Outcome.RESET,
    errno.EADDRNOTAVAIL: Outcome.NO_PORT,
    errno.EADDRINUSE: Outcome.IN_USE,
    errno.EINPROGRESS: Outcome.UNFINISHED,
}

# What connect() says before it has sent a SYN, or when an ICMP error answers the SYN.
UNREACHABLE_ERRNOS = (
    *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENETDOWN),
    errno.ENOPROTOOPT,
)
# Errors that mostly come after the SYN was sent; any other error mostly stopped the attempt before.
ERRNOS_AFTER_SYN = (0, errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET, errno.EINPROGRESS, errno.EHOSTUNREACH)


def outcome_codes(attempts: npt.NDArray[Any], address: Address) -> npt.NDArray[np.uint8]:
    """Return each attempt's outcome as an index into OUTCOMES, shape (attempts,).

    Args:
        attempts: of one act.
        address: its addresses.
    """
    by_errno = np.full(256, OUTCOMES.index(Outcome.OTHER), np.uint8)
    for number, outcome in OUTCOME_BY_ERRNO.items():
        by_errno[number] = OUTCOMES.index(outcome)
    codes = np.empty(len(attempts), np.uint8)
    for part in chunks(len(attempts)):
        own = attempts[part]
        codes[part] = by_errno[own["error"]]
        codes[part][(own["error"] == 0) & (own["retransmits"] > 0)] = OUTCOMES.index(Outcome.RETRIED)
    codes[is_self_connected(attempts, address)] = OUTCOMES.index(Outcome.SELF_CONNECTED)
    return codes


def is_self_connected(attempts: npt.NDArray[Any], address: Address) -> npt.NDArray[np.bool_]:
    """Return which attempts connected to themselves, shape (attempts,): both ends have one address and port.

    A SYN that meets its own socket in SYN_SENT is a simultaneous open (RFC 9293 section 3.5). It reaches that socket
    only where nobody listens on the port.
    """
    return fill_mask(attempts, lambda part: has_one_end(part, address))


def has_one_end(attempts: npt.NDArray[Any], address: Address) -> npt.NDArray[np.bool_]:
    """Return which of not too many attempts connected to themselves, shape (attempts,)."""
    pairs = attempts["address"].astype(np.int64) - address.first
    if address.endpoints:
        to_itself = np.array([source == target for source, target, _ in address.endpoints])
        ports = np.array([port for _, _, port in address.endpoints])
        own: npt.NDArray[np.bool_] = to_itself[pairs] & (attempts["error"] == 0)
        own &= attempts["local_port"] == ports[pairs]
        return own
    target_ports = address.target_port + pairs % address.target_ports
    sources = int(ip_address(address.source)) + pairs // address.target_ports if ":" not in address.source else None
    if sources is None:
        same_address = np.full(len(attempts), ip_address(address.source) == ip_address(address.target))
    else:
        same_address = sources == int(ip_address(address.target))
    mask: npt.NDArray[np.bool_] = (attempts["error"] == 0) & (attempts["local_port"] == target_ports) & same_address
    return mask


def has_sent_syn(attempts: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return whether each attempt got as far as sending a SYN, shape (attempts,).

    Of most errors that a host gives before the SYN, and an ICMP error after it, nobody can tell which it was.
    """
    certain, unreachable = (np.isin(np.arange(256), errnos) for errnos in (ERRNOS_AFTER_SYN, UNREACHABLE_ERRNOS))

    def has_sent(part: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        errors = part["error"]
        sent: npt.NDArray[np.bool_] = certain[errors] | (unreachable[errors] & (part["retransmits"] > 0))
        return sent

    return fill_mask(attempts, has_sent)
