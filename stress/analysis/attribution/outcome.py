# SPDX-License-Identifier: MIT
"""The outcome of every attempt, from its errno and its retransmits."""

import errno
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.outcome import Outcome

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

# Errors that come after the SYN was sent; any other error stopped the attempt before.
ERRNOS_AFTER_SYN = (0, errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET, errno.EINPROGRESS, errno.EHOSTUNREACH)


def outcome_codes(attempts: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return each attempt's outcome as an index into OUTCOMES, shape (attempts,)."""
    by_errno = np.full(256, OUTCOMES.index(Outcome.OTHER), np.uint8)
    for number, outcome in OUTCOME_BY_ERRNO.items():
        by_errno[number] = OUTCOMES.index(outcome)
    codes: npt.NDArray[np.uint8] = by_errno[attempts["error"]]
    codes[(attempts["error"] == 0) & (attempts["retransmits"] > 0)] = OUTCOMES.index(Outcome.RETRIED)
    return codes


def has_sent_syn(attempts: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return whether each attempt got as far as sending a SYN, shape (attempts,)."""
    sent: npt.NDArray[np.bool_] = np.isin(np.arange(256), ERRNOS_AFTER_SYN)[attempts["error"]]
    return sent
