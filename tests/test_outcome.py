# SPDX-License-Identifier: MIT
"""The outcome of an attempt: one for every errno."""

import errno

import numpy as np
import pytest
from builders import many_attempts, the_attempts
from hypothesis import given

from stress.analysis.attribution.outcome import OUTCOMES, has_sent_syn, outcome_codes
from stress.model.outcome import Outcome
from stress.model.record import Address

ADDRESS = Address(0, "127.0.0.1", 1, "127.0.0.1", 5000, 1)
SEEN = {
    errno.ETIMEDOUT: "timed_out",
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EADDRNOTAVAIL: "no_port",
    errno.EADDRINUSE: "in_use",
    errno.EINPROGRESS: "unfinished",
}
NO_SYN = (errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM,
          errno.EACCES, errno.EPERM, errno.ENETUNREACH)  # fmt: skip


def outcomes_of(attempts):
    return [OUTCOMES[code].value for code in outcome_codes(attempts, ADDRESS)]


def test_every_errno_has_its_outcome():
    attempts = the_attempts(*((0, number, 0) for number in range(256)))
    assert outcomes_of(attempts) == ["connected", *(SEEN.get(number, "other") for number in range(1, 256))]


def test_retransmits_tell_a_retried_attempt_and_change_no_failure():
    attempts = the_attempts((0, 0, 0), (0, 0, 1), (0, 0, 255), (0, errno.ETIMEDOUT, 6), (0, errno.EINPROGRESS, 1))
    assert outcomes_of(attempts) == ["connected", "retried", "retried", "timed_out", "unfinished"]


@given(many_attempts)
def test_every_attempt_has_one_outcome(attempts):
    codes = outcome_codes(attempts, ADDRESS)
    assert codes.shape == attempts.shape
    assert np.bincount(codes, minlength=len(Outcome)).sum() == len(attempts)
    assert (codes < len(Outcome)).all()


def test_what_was_refused_before_its_syn_sent_none():
    attempts = the_attempts(*((40000, number, 0) for number in (0, *SEEN, *NO_SYN)))
    sent = {int(number) for number in attempts["error"][has_sent_syn(attempts)]}
    assert sent == {0, errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET, errno.EINPROGRESS}


@pytest.mark.parametrize(
    ("source", "target", "at"), [("127.0.0.1", "127.0.0.1", 1), ("::1", "::1", 1), ("127.0.0.1", "127.0.0.2", 2)]
)
def test_who_has_the_server_s_address_and_port_is_connected_to_itself(source, target, at):
    """Two sources and two server ports; pairs are numbered source by source."""
    sources = 1 if ":" in source else 2
    pairs = [(pair, port) for pair in range(2 * sources) for port in (5000, 5001)]
    attempts = the_attempts(*((port, 0, 0) for _, port in pairs), address=[7 + pair for pair, _ in pairs])
    codes = outcome_codes(attempts, Address(7, source, sources, target, 5000, 2))
    to_itself = [OUTCOMES[code] is Outcome.SELF_CONNECTED for code in codes]
    assert to_itself == [pair // 2 == at - 1 and port == 5000 + pair % 2 for pair, port in pairs]
