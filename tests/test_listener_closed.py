# SPDX-License-Identifier: MIT
"""Connections that were reset in the queue of a listener that closed: what proves it, and what does not."""

import errno
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from builders import COUNTERS, a_run, the_attempts

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.summary import analyse
from stress.model.attempt import USE
from stress.model.plan import Close, Plan
from stress.model.record import ListenerReport, ListeningReport

RESET, WAITING = errno.ECONNRESET, errno.EINPROGRESS
PLAN = Plan(scenario="test", use=True, listeners=2, stuck=1, stuck_until_s=0.5)
BALANCED = dict.fromkeys(COUNTERS, 0) | {"ActiveOpens": 4, "OutRsts": 4, "EstabResets": 8}


def listening(*drops):
    """Return reports of listeners on the target; None for one that was closed."""
    common = {"address": "127.0.0.1", "port": 5000, "on_target": True, "limit": 8, "waiting": 0, "capped": False}
    return [ListeningReport(drops=count, owner="python[1]", **common) for count in drops]


def a_used_run(*errors, accepted, answered, counters=BALANCED, close="rst", **changes):
    """Return a run whose four attempts connected, and whose uses ended with these errnos."""
    attempts = the_attempts(*((40000 + number, 0, 0) for number in range(4)), latency_ns=20_000)
    uses = np.array([(600_000, error) for error in errors], USE)
    report = ListenerReport(accepted, 0, accepted, 0, {}, answered)
    fields = {"listening": listening(0, None)} | changes
    return replace(
        a_run(
            attempts,
            plan=msgspec.structs.replace(PLAN, close=Close(close)),
            counters=counters,
            listener=report,
            **fields,
        ),
        uses=uses,
    )


def causes_of(run):
    return [CAUSES[code].value for code in analyse(run).causes]


def test_connections_that_no_server_accepted_were_reset_with_their_queue():
    run = a_used_run(0, RESET, 0, RESET, accepted=2, answered=2)
    findings = analyse(run)
    assert causes_of(run) == ["none", "listener_closed", "none", "listener_closed"]
    assert all(claim.balanced for claim in findings.summary.books)
    (proof,) = findings.summary.proofs
    assert "the server accepted 2: the others were reset" in proof.text


@pytest.mark.parametrize(
    ("what", "run"),
    [
        ("accepted, and reset by something else", a_used_run(0, RESET, 0, RESET, accepted=4, answered=2)),
        ("one of two was accepted", a_used_run(0, RESET, 0, RESET, accepted=3, answered=2)),
        (
            "no listener closed",
            a_used_run(0, RESET, 0, RESET, accepted=2, answered=2, listening=listening(0, 0)),
        ),
        (
            "an RST that no TCP sent",
            a_used_run(0, RESET, 0, RESET, accepted=2, answered=2, counters=BALANCED | {"OutRsts": 2}),
        ),
        ("no counters", a_used_run(0, RESET, 0, RESET, accepted=2, answered=2, counters={})),
    ],
)
def test_without_any_of_its_evidence_the_reset_is_unknown(what, run):
    assert causes_of(run) == ["none", "unknown", "none", "unknown"], what


def test_a_use_without_an_answer_is_no_reset():
    run = a_used_run(0, WAITING, 0, RESET, accepted=2, answered=2, waiting=1)
    assert causes_of(run) == ["none", "unknown", "none", "listener_closed"]


def test_what_is_unknown_of_a_use_is_hinted_at():
    (hint,) = analyse(a_used_run(0, RESET, 0, RESET, accepted=4, answered=2)).summary.hints
    assert hint.startswith("2 unknown whose first use failed after connect() had succeeded")


def test_a_use_that_was_given_up_is_hinted_at_as_such():
    (hint,) = analyse(a_used_run(0, WAITING, 0, 0, accepted=3, answered=3, waiting=1)).summary.hints
    assert hint.startswith("1 unknown whose first use had no answer when it was given up")


@pytest.mark.parametrize("close", ["rst", "fin"])
def test_the_books_know_the_resets_of_a_listener_however_the_client_closes(close):
    """A client that closes by RST would have sent one in place of the listener's."""
    resets = {"rst": (4, 8), "fin": (2, 4)}[close]
    counters = BALANCED | dict(zip(("OutRsts", "EstabResets"), resets, strict=True))
    run = a_used_run(0, RESET, 0, RESET, accepted=2, answered=2, counters=counters, close=close)
    assert all(claim.balanced for claim in analyse(run).summary.books)
    assert causes_of(run).count("listener_closed") == 2


def test_the_time_to_the_answer_is_no_part_of_the_body():
    uses = analyse(a_used_run(0, RESET, 0, 0, accepted=3, answered=3)).summary.uses
    assert (uses.answered, uses.errors, uses.body.p50_ns) == (3, {"ECONNRESET": 1}, 600_000)
    body = analyse(a_used_run(0, RESET, 0, 0, accepted=3, answered=3)).summary.body
    assert body.p50_ns == 20_000
