# SPDX-License-Identifier: MIT
"""The headline of a run: count, consequence and cause of what was proved, and no cure that did nothing."""

import dataclasses
import errno

import msgspec
import numpy as np
from builders import MS, SECOND, US, the_attempts
from findings_builders import findings

from stress.model.outcome import Cause
from stress.view.text.run_headline import NOUNS, act_sentences, run_headline

RETRIED = the_attempts((40001, 0, 1), (40002, 0, 1), latency_ns=12 * MS)
AT_ONCE = the_attempts((40003, 0, 0), (40004, 0, 0), (40005, 0, 0), latency_ns=12 * US)
TIMED_OUT = the_attempts((40006, errno.ETIMEDOUT, 6), latency_ns=127 * SECOND)
NO_PORT = the_attempts((0, errno.EADDRNOTAVAIL, 0), latency_ns=3 * US)


def named(scenario, run):
    """Return findings of a run of that scenario."""
    plan = msgspec.structs.replace(run.run.record.plan, scenario=scenario)
    record = msgspec.structs.replace(run.run.record, plan=plan)
    return dataclasses.replace(run, run=dataclasses.replace(run.run, record=record))


def test_every_cause_has_a_noun():
    assert set(NOUNS) == set(Cause) - {Cause.NONE}


def test_it_says_count_consequence_and_cause():
    several = findings(np.concatenate([RETRIED, AT_ONCE]), causes=[Cause.CLOSEWAIT] * 2 + [Cause.NONE] * 3)
    assert run_headline(several) == "2 of 5 attempts waited two jiffies (12 ms): leaked sockets in CLOSE-WAIT"
    assert run_headline(findings(TIMED_OUT, causes=[Cause.RST_DROPPED])) == (
        "1 of 1 attempt timed out after 127 s: the RST to an old socket dropped"
    )
    assert run_headline(findings(AT_ONCE)) == "All 3 attempts connected at once"
    assert run_headline(findings(the_attempts())) == "No attempt was made"


def test_it_names_two_jiffies_only_where_all_lie_in_that_band():
    busy = RETRIED.copy()
    busy["latency_ns"][0] = 80 * 10**6
    text = run_headline(findings(busy, causes=[Cause.CLOSEWAIT] * 2))
    assert "jiffies" not in text
    assert text.startswith("2 of 2 attempts waited ")


def test_it_counts_those_that_ended_as_it_says():
    mixed = findings(np.concatenate([RETRIED, TIMED_OUT]), causes=[Cause.ACCEPT_QUEUE] * 3)
    assert run_headline(mixed) == (
        "3 of 3 attempts were late or failed, 2 of them waited two jiffies (12 ms): a full accept queue"
    )


def test_without_proof_it_names_no_cause():
    assert run_headline(findings(TIMED_OUT, causes=[Cause.UNKNOWN])).endswith(": cause unknown")


def test_what_delayed_attempts_that_connected_at_once_comes_after_that():
    slow = findings(AT_ONCE, causes=[Cause.STALLED, Cause.NONE, Cause.NONE])
    assert run_headline(slow) == "All 3 attempts connected at once; 1 waited 12 µs: a client that did not run"
    both = findings(np.concatenate([AT_ONCE, NO_PORT]), causes=[Cause.STALLED] * 3 + [Cause.PORT_EXHAUSTED])
    assert run_headline(both) == "1 of 4 attempts got no port: no source port left"


def test_other_causes_are_counted():
    causes = [Cause.CLOSEWAIT] * 2 + [Cause.RST_DROPPED]
    assert run_headline(findings(np.concatenate([RETRIED, TIMED_OUT]), causes=causes)).endswith("; 1 had another cause")


def test_acts_that_were_spared_are_named_and_only_a_cure_is_called_one():
    acts = findings(RETRIED, AT_ONCE, causes=[Cause.CLOSEWAIT] * 2 + [Cause.NONE] * 3)
    waited = "2 of 2 attempts waited two jiffies (12 ms): leaked sockets in CLOSE-WAIT"
    assert run_headline(acts) == f"{waited}; act 1: 0 of 3"
    assert run_headline(named("keepalive-cure", acts)) == f"{waited}; the cure works, act 1: 0 of 3"
    assert act_sentences(acts) == [
        "act 0: 2 of 2 waited two jiffies (12 ms): leaked sockets in CLOSE-WAIT.",
        "act 1: 0 of 3 met trouble.",
    ]


def test_a_cure_that_leaves_one_collision_does_not_work():
    acts = findings(RETRIED, RETRIED, causes=[Cause.CLOSEWAIT] * 4)
    assert "cure" not in run_headline(named("keepalive-cure", acts))


def test_two_jiffies_are_named_only_where_all_waited_so_long():
    off = the_attempts((40001, 0, 1), (40002, 0, 1), (40003, 0, 1), latency_ns=[12 * MS, 13 * MS, 60 * MS])
    headline = run_headline(findings(off, causes=[Cause.CLOSEWAIT] * 3))
    assert headline == "3 of 3 attempts waited 13 ms: leaked sockets in CLOSE-WAIT"


def test_an_act_with_another_cause_was_not_spared():
    acts = findings(RETRIED, TIMED_OUT, AT_ONCE, causes=[Cause.CLOSEWAIT] * 2 + [Cause.RST_DROPPED] + [Cause.NONE] * 3)
    assert run_headline(acts).endswith("in CLOSE-WAIT; 1 had another cause; act 2: 0 of 3")
