# SPDX-License-Identifier: MIT
"""Causes by packets alone: what each pattern proves, and what other worlds show the same packets."""

import errno

import numpy as np
import pytest

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.outcome import OUTCOMES
from stress.analysis.attribution.packets.cause import attribute_packets
from stress.analysis.attribution.packets.facts import PacketFacts
from stress.analysis.attribution.packets.hints import hint_packets
from stress.analysis.attribution.packets.table import PACKET_RULES
from stress.model.attempt import ATTEMPT
from stress.model.flow import FLOW, Losses, OldSocket, Vantage
from stress.model.outcome import Outcome
from stress.model.segment import ECE, NO_ICMP, SYN
from stress.model.summary import Grade

MS_NS, SECOND_NS = 1_000_000, 1_000_000_000
TIMES = [name for name in FLOW.names if name.endswith("_ns")]


def flow(**fields):
    """Return a try that connected at once, with some fields changed."""
    row = np.zeros(1, FLOW)
    row[TIMES] = -1
    usual = {"syns": 1, "last_syn_ns": 0, "syn_acks": 1, "syn_ack_ns": MS_NS // 10, "ack_ns": MS_NS // 5}
    ends = {"icmp_type": NO_ICMP, "syn_ack_hops": 57, "client_hops": 64, "is_begun": 1, "is_ended": 1, "flags": SYN}
    for name, value in (usual | ends | {"last_flags": SYN, "losses": Losses.NOT_SAID} | fields).items():
        row[name] = value
    return row


def collision(**fields):
    """Return a try whose SYN met an old socket in CLOSE_WAIT: S, ., R, 8 ms, S, S., ."""
    met = {
        "challenges": 1,
        "challenge_ns": MS_NS // 10,
        "old_socket": OldSocket.CLIENT_FIN,
        "challenge_hops": 57,
        "old_hops": 57,
    }
    reset = {"client_resets": 1, "exact_resets": 1, "client_reset_ns": MS_NS // 8, "reuse_ns": 60 * SECOND_NS}
    again = {"syns": 2, "second_syn_ns": 8 * MS_NS, "last_syn_ns": 8 * MS_NS, "syn_ack_ns": 9 * MS_NS}
    return flow(**(met | reset | again | {"ack_ns": 9 * MS_NS} | fields))


def silence(**fields):
    """Return a try that nobody answered."""
    again = {"syns": 2, "second_syn_ns": SECOND_NS, "last_syn_ns": SECOND_NS}
    return flow(**(again | {"syn_acks": 0, "syn_ack_ns": -1, "ack_ns": -1, "syn_ack_hops": 0} | fields))


def facts_of(*flows, outcome=Outcome.RETRIED, latency_ns=9 * MS_NS):
    """Return the facts of one try, which one file or several show."""
    attempts = np.zeros(1, ATTEMPT)
    attempts["latency_ns"], attempts["retransmits"] = latency_ns, flows[0]["syns"] - 1
    attempts["error"] = errno.ETIMEDOUT if outcome is Outcome.TIMED_OUT else 0
    rows = np.concatenate(flows)
    rows["file"] = np.arange(len(rows))
    return PacketFacts(attempts, np.array([OUTCOMES.index(outcome)], np.uint8), rows)


def told(*flows, **options):
    """Return the cause of one try, and the hints."""
    facts = facts_of(*flows, **options)
    causes = attribute_packets(facts, "capture")
    assert all(proof.grade is Grade.PACKETS and "{" not in proof.text for proof in causes.proofs)
    return str(CAUSES[causes.codes[0]]), hint_packets(facts, causes.codes)


@pytest.mark.parametrize(
    ("old_socket", "cause"),
    [
        (OldSocket.CLIENT_FIN, "closewait"),
        (OldSocket.SERVER_FIN_FIRST, "time_wait"),
        (OldSocket.TRY, "stale_socket"),
        (OldSocket.OPEN, "stale_socket"),
        (OldSocket.SERVER_FIN, "stale_socket"),
        (OldSocket.CLIENT_FIN_FIRST, "stale_socket"),
        (OldSocket.NOT_KNOWN, "unknown"),
    ],
)
def test_the_numbers_of_a_challenge_tell_the_state_of_the_old_socket(old_socket, cause):
    assert told(collision(old_socket=old_socket))[0] == cause


def test_an_ack_of_other_data_without_the_numbers_may_be_that_of_a_box_against_floods():
    cause, hints = told(collision(old_socket=OldSocket.NOT_KNOWN))
    assert cause == "unknown"
    assert "a box against floods" in hints[0]


@pytest.mark.parametrize(
    "changed",
    [
        {"second_syn_ns": SECOND_NS, "last_syn_ns": SECOND_NS, "syn_ack_ns": SECOND_NS + 1},
        {"client_reset_ns": 200 * MS_NS, "second_syn_ns": 300 * MS_NS, "syn_ack_ns": 301 * MS_NS},
        {"exact_resets": 0},
        {"client_resets": 0, "exact_resets": 0, "client_reset_ns": -1},
        {"syn_ack_ns": 2 * MS_NS},
    ],
    ids=["an old kernel or somebody on the way", "a short timeout", "another RST", "no RST", "an answer to the first"],
)
def test_a_collision_that_may_be_something_else_is_unknown(changed):
    assert told(collision(**changed))[0] == "unknown"


def test_an_answer_from_another_distance_may_be_that_of_a_firewalls_table():
    cause, hints = told(collision(challenge_hops=62))
    assert cause == "unknown"
    assert "a firewall that still has a session" in hints[0]


def test_an_exact_rst_after_which_the_same_answer_comes_again_did_not_arrive():
    again = {"syn_acks": 0, "syn_ack_ns": -1, "again_ns": SECOND_NS + MS_NS, "challenges": 2}
    assert told(collision(**again), outcome=Outcome.TIMED_OUT)[0] == "rst_dropped"
    assert told(collision(**again | {"again_ns": -1}), outcome=Outcome.TIMED_OUT)[0] == "unknown"
    # tcp_rfc1337 lets a socket in TIME_WAIT ignore every RST.
    time_wait = again | {"old_socket": OldSocket.SERVER_FIN_FIRST}
    assert told(collision(**time_wait), outcome=Outcome.TIMED_OUT)[0] == "unknown"


@pytest.mark.parametrize("outcome", [Outcome.TIMED_OUT, Outcome.UNFINISHED])
@pytest.mark.parametrize("vantage", Vantage)
def test_syns_without_an_answer_are_unknown_wherever_the_capture_was(vantage, outcome):
    cause, hints = told(silence(vantage=vantage), outcome=outcome)
    assert (cause, len(hints)) == ("unknown", 1)
    at_server = vantage in (Vantage.SERVER, Vantage.BOTH)
    assert ("which did not answer them" in hints[0]) == at_server


def test_an_rst_does_not_say_who_sent_it():
    refused = silence(syns=1, second_syn_ns=-1, last_syn_ns=0, server_resets=1, server_reset_hops=57)
    cause, hints = told(refused, outcome=Outcome.REFUSED)
    assert cause == "unknown"
    assert "by an RST" in hints[0]


@pytest.mark.parametrize(
    ("kind", "code", "cause"),
    [(3, 1, "rejected_by_icmp"), (3, 3, "rejected_by_icmp"), (11, 0, "rejected_by_icmp"), (1, 1, "rejected_by_icmp"),
     (3, 4, "unknown"), (2, 0, "unknown"), (4, 0, "unknown"), (5, 1, "unknown"), (NO_ICMP, 0, "unknown")],
)  # fmt: skip
def test_an_icmp_error_that_ends_connect_rejects(kind, code, cause):
    error = {"icmp_type": kind, "icmp_code": code, "icmp_ns": MS_NS}
    alone = {"syns": 1, "second_syn_ns": -1, "last_syn_ns": 0}
    assert told(silence(**error, **alone), outcome=Outcome.OTHER)[0] == cause
    assert told(silence(**error), outcome=Outcome.TIMED_OUT)[0] == "unknown"  # the client went on
    at_server = {"vantage": Vantage.SERVER}  # where a SYN that the client sent later may not have come to
    assert told(silence(**error, **alone, **at_server), outcome=Outcome.OTHER)[0] == "unknown"
    assert told(silence(**error, **alone, is_ended=0), outcome=Outcome.OTHER)[0] == "unknown"


def test_who_connected_to_itself_had_no_listener():
    assert told(flow(), outcome=Outcome.SELF_CONNECTED)[0] == "no_listener"


def at_client(row, **fields):
    """Return a flow as a capture on the client's host has it, which lost nothing."""
    return changed(row, vantage=Vantage.CLIENT, losses=Losses.NONE, client_hops=64, **fields)


def at_server(row, **fields):
    """Return a flow as a capture on the server's host has it, which lost nothing."""
    return changed(row, vantage=Vantage.SERVER, losses=Losses.NONE, client_hops=63, **fields)


def changed(row, **fields):
    row = row.copy()
    for name, value in fields.items():
        row[name] = value
    return row


NO_CHALLENGE = {"challenges": 0, "challenge_ns": -1, "old_socket": 0, "client_resets": 0, "exact_resets": 0}
NOT_CONNECTED = {"syn_acks": 0, "syn_ack_ns": -1, "second_syn_ns": SECOND_NS, "last_syn_ns": SECOND_NS}
LATER = {"second_syn_ns": SECOND_NS, "last_syn_ns": SECOND_NS, "syn_ack_ns": SECOND_NS + 2 * MS_NS}
BOTH_ENDS = {
    "challenge_intercepted": (
        at_client(collision(**LATER), **NO_CHALLENGE, client_reset_ns=-1),
        at_server(collision(**LATER), syn_ack_ns=SECOND_NS + MS_NS),
        Outcome.RETRIED,
    ),
    "challenge_dropped": (
        at_client(collision(**NOT_CONNECTED), **NO_CHALLENGE, client_reset_ns=-1),
        at_server(collision(**NOT_CONNECTED), client_resets=0, exact_resets=0, client_reset_ns=-1),
        Outcome.TIMED_OUT,
    ),
    "rst_dropped": (
        at_client(collision(**NOT_CONNECTED)),
        at_server(collision(**NOT_CONNECTED), client_resets=0, exact_resets=0, client_reset_ns=-1),
        Outcome.TIMED_OUT,
    ),
    "lost_on_the_way": (
        at_client(silence(syn_acks=1, syn_ack_ns=SECOND_NS + MS_NS)),
        at_server(flow()),
        Outcome.RETRIED,
    ),
    "lost_on_the_way, SYN-ACKs": (
        at_client(silence(syn_acks=1, syn_ack_ns=SECOND_NS + MS_NS)),
        at_server(silence(syn_acks=2, syn_ack_ns=MS_NS)),
        Outcome.RETRIED,
    ),
}


@pytest.mark.parametrize("name", BOTH_ENDS)
@pytest.mark.parametrize("order", [1, -1])
def test_two_files_tell_where_a_packet_did_not_arrive(name, order):
    *flows, outcome = BOTH_ENDS[name]
    assert told(*flows[::order], outcome=outcome)[0] == name.partition(",")[0]


@pytest.mark.parametrize("name", BOTH_ENDS)
@pytest.mark.parametrize("losses", [Losses.SOME, Losses.NOT_SAID])
def test_a_packet_that_the_capture_may_have_lost_proves_nothing(name, losses):
    *flows, outcome = BOTH_ENDS[name]
    assert told(*[changed(row, losses=losses) for row in flows], outcome=outcome)[0] == "unknown"


@pytest.mark.parametrize("name", BOTH_ENDS)
def test_one_file_of_the_two_is_less(name):
    *flows, outcome = BOTH_ENDS[name]
    assert {told(row, outcome=outcome)[0] for row in flows} <= {"unknown", "none"}


@pytest.mark.parametrize("name", ["challenge_intercepted", "challenge_dropped", "rst_dropped"])
def test_which_end_a_file_was_taken_at_must_be_known(name):
    near, far, outcome = BOTH_ENDS[name]
    swapped = {"vantage": Vantage.UNKNOWN, "syn_ack_ns": -1, "client_hops": 64}
    assert told(changed(near, **swapped), changed(far, **swapped), outcome=outcome)[0] == "unknown"


def test_a_syn_that_may_still_be_on_its_way_was_not_lost():
    """The first SYN came late, its answer after the second was sent; the capture ends before that one comes."""
    near, far, outcome = BOTH_ENDS["lost_on_the_way"]
    assert told(near, changed(far, ack_ns=-1), outcome=outcome)[0] == "unknown"


def test_a_syn_that_asked_for_less_is_no_proof_that_the_others_were_lost_by_chance():
    near, far, outcome = BOTH_ENDS["lost_on_the_way"]
    cause, hints = told(changed(near, flags=SYN | ECE), far, outcome=outcome)
    assert cause == "unknown"
    assert hints


def test_what_connected_at_once_has_nothing_to_explain():
    assert told(flow(), outcome=Outcome.CONNECTED, latency_ns=MS_NS) == ("none", [])


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"vantage": Vantage.CLIENT}, "none"),
        ({"vantage": Vantage.BOTH}, "none"),
        ({"vantage": Vantage.SERVER}, "unknown"),
        ({"vantage": Vantage.BETWEEN}, "unknown"),
        ({"client_hops": 63}, "unknown"),
        ({"ack_ns": MS_NS}, "unknown"),
        ({"is_begun": 0}, "unknown"),
    ],
    ids=["client", "both", "server", "between", "behind a router", "waits for the client", "begun too late"],
)
def test_only_a_capture_at_the_client_shows_that_the_first_syn_was_answered(changed, cause):
    told_cause, hints = told(flow(**changed), outcome=Outcome.CONNECTED, latency_ns=MS_NS)
    assert (told_cause, len(hints)) == (cause, int(cause == "unknown"))


def test_a_late_answer_to_the_only_syn_is_unknown():
    facts = facts_of(flow(), outcome=Outcome.CONNECTED)
    attempts = np.repeat(facts.attempts, 2)
    attempts["latency_ns"] = (MS_NS, 300 * MS_NS)
    flows = np.repeat(facts.flows, 2)
    flows["attempt"] = (0, 1)
    facts = PacketFacts(attempts, np.repeat(facts.outcomes, 2), flows)
    codes = attribute_packets(facts, "capture").codes
    assert [str(CAUSES[code]) for code in codes] == ["none", "unknown"]
    assert "but late" in hint_packets(facts, codes)[0]


def test_a_capture_without_tries_has_no_causes():
    facts = PacketFacts(np.zeros(0, ATTEMPT), np.zeros(0, np.uint8), np.zeros(0, FLOW))
    causes = attribute_packets(facts, "capture")
    assert (len(causes.codes), causes.proofs, hint_packets(facts, causes.codes)) == (0, [], [])


def test_every_packet_rule_can_hold():
    cases = [(rows[:-1], rows[-1]) for rows in BOTH_ENDS.values()]
    cases += [((collision(old_socket=state),), Outcome.RETRIED) for state in list(OldSocket)[1:]]
    again = {"syn_acks": 0, "syn_ack_ns": -1, "again_ns": SECOND_NS + MS_NS}
    cases += [((collision(**again),), Outcome.TIMED_OUT), ((flow(),), Outcome.SELF_CONNECTED)]
    error = silence(syns=1, second_syn_ns=-1, last_syn_ns=0, icmp_type=3, icmp_code=1, icmp_ns=MS_NS)
    cases += [((error,), Outcome.OTHER)]
    held = {
        proof.rule
        for flows, outcome in cases
        for proof in attribute_packets(facts_of(*flows, outcome=outcome), "capture").proofs
    }
    assert held == {rule.name for rule in PACKET_RULES}
