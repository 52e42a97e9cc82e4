# SPDX-License-Identifier: MIT
"""Links: what counts of the storm's segments at both hosts prove of what is between them."""

import numpy as np

from stress.analysis.attribution.crossings import count_unsent_answers
from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.link_books import count_stopped_answers
from stress.analysis.attribution.rules.loss import may_be_lost
from stress.analysis.attribution.rules.refusal import count_unexplained_rsts
from stress.analysis.attribution.rules.rule import NOT_LATE, Match, Rule
from stress.lab.neighbour import UNANSWERED
from stress.model.outcome import Cause, Outcome
from stress.model.summary import Grade
from stress.model.world import SERVER

COUNTED_ON_BOTH = "a storm across a link, its segments counted on both hosts"


def prove_rejected_on_the_way(facts: Facts) -> Match | None:
    """Match refusals by RSTs that came to the client's host and had not left the server's."""
    crossings, attempts = facts.crossings, facts.ended_as(Outcome.REFUSED)
    refused = int(attempts.sum())
    if crossings is None or not refused or crossings.left_elsewhere or crossings.errors.came:
        return None
    if crossings.server_rsts.left or crossings.server_rsts.came != refused:
        return None
    return Match(attempts, {"refused": refused})


def prove_rejected_by_far_firewall(facts: Facts) -> Match | None:
    """Match refusals by RSTs that left the server's host, whose TCP had received none of the SYNs, nor sent an RST."""
    crossings, attempts = facts.crossings, facts.ended_as(Outcome.REFUSED)
    refused = int(attempts.sum())
    if crossings is None or not refused or not crossings.is_whole or crossings.left_elsewhere or crossings.errors.came:
        return None
    syns = int((facts.attempts["retransmits"][attempts].astype(np.int64) + 1).sum())
    if not crossings.server_rsts.left == refused == syns == crossings.unreceived.get(SERVER):
        return None
    return Match(attempts, {"refused": refused}) if count_unexplained_rsts(facts) == 0 else None


def prove_lost_between(facts: Facts) -> Match | None:
    """Match attempts whose SYNs, or the SYN-ACKs to these, left one host and did not come to the other's TCP.

    The listener dropped none, nor did TCP by another counter; so each SYN without an answer was lost, or its answer.
    There must be room for all: SYNs and SYN-ACKs that did not come, and segments that a firewall of either host dropped
    when they had come. Segments that something between has doubled make that room smaller, not larger.
    """
    crossings, attempts = facts.crossings, may_be_lost(facts)
    if crossings is None or facts.listener_drops != 0 or facts.other_sinks or not attempts.any():
        return None
    if facts.sent_syns != crossings.syns.left or crossings.syns.lost < 0 or crossings.syn_acks.lost < 0:
        return None
    if crossings.errors.came or crossings.errors.left:  # a limit of their rate may have withheld others
        return None
    hidden = max(sum(crossings.unreceived.values()) - facts.rp_filtered - facts.icmp_due, 0)
    lost = crossings.syns.lost + crossings.syn_acks.lost
    unsent = max(count_unsent_answers(facts.storm.act), count_stopped_answers(facts.storm))
    if lost + hidden + unsent - crossings.answered_between < facts.unanswered:
        return None
    syns, answers = crossings.syns.lost, crossings.syn_acks.lost
    figures = {"syns": syns, "answers": answers, "hidden": hidden, "unsent": unsent, "unanswered": facts.unanswered}
    return Match(attempts, figures)


def prove_not_sent(facts: Facts) -> Match | None:
    """Match attempts whose unanswered SYNs never left the client's host, while all that left came to the server.

    One SYN at least must have been counted: a tunnel or IPsec lets segments leave in which nobody sees them.
    """
    crossings, attempts = facts.crossings, may_be_lost(facts)
    if crossings is None or not crossings.syns.left or crossings.left_elsewhere or not attempts.any():
        return None
    if (
        not crossings.is_whole
        or facts.held.any()
        or facts.storm.act.next_hop in UNANSWERED
        or facts.listener_drops != 0
    ):
        return None
    missing = facts.sent_syns - crossings.syns.left
    if not missing == facts.unanswered == int(facts.syns.unanswered[attempts].sum(dtype=np.int64)):
        return None
    return Match(attempts, {"missing": missing, "left": crossings.syns.left})


REFUSALS = (
    Rule(
        name="rejected_by_rst.link",
        cause=Cause.REJECTED_BY_RST,
        grade=Grade.COUNTED,
        needs=f"{COUNTED_ON_BOTH}; no ICMP error about them",
        equation="RSTs to the client's ports that left the server's host = 0, and those that came to the client's host "
        "= refused attempts",
        sentence="{refused:,} attempts were refused by RSTs that did not leave the server's host: something before "
        "it answered in its place",
        prove=prove_rejected_on_the_way,
    ),
    Rule(
        name="rejected_by_rst.far",
        cause=Cause.REJECTED_BY_RST,
        grade=Grade.COUNTED,
        needs=f"{COUNTED_ON_BOTH}; nobody else on them sent a SYN; no ICMP error about the storm's segments",
        equation="RSTs that left the server's host = those that came = refused attempts = TCP segments that came to "
        "the server's host and that its TCP did not receive; OutRsts = reset closes + TCPChallengeACK",
        sentence="{refused:,} attempts were refused by RSTs of the server's host that no TCP sent: its firewall did",
        prove=prove_rejected_by_far_firewall,
        rests_on=("OutRsts",),
    ),
)
LOSSES = (
    Rule(
        name="dropped_by_host.link",
        cause=Cause.DROPPED_BY_HOST,
        grade=Grade.COUNTED,
        needs=f"{COUNTED_ON_BOTH}; a neighbour that answers; sk_drops of all listeners",
        equation="SYNs of the attempts - SYNs that left the client's device = unanswered SYNs; of every kind of "
        "segment as many came as left, ListenDrops of the listeners on the target = 0",
        sentence="{missing:,} SYNs did not leave the client's host, as many as got no answer; the {left:,} that left "
        "it all came",
        prove=prove_not_sent,
    ),
    Rule(
        name="lost_on_the_way.link",
        cause=Cause.LOST_ON_THE_WAY,
        grade=Grade.COUNTED,
        needs=f"{NOT_LATE}; {COUNTED_ON_BOTH}; sk_drops of all listeners",
        equation="SYNs of the attempts = SYNs that left; SYNs and SYN-ACKs that left and did not come + TCP segments "
        "that came and that no TCP of either host received + SYN-ACKs that the server's host did not let out "
        "(TCPTimeouts - TCPSynRetrans there, or by the count of the laboratory's rule) >= unanswered SYNs; "
        "ListenDrops of the listeners on the target = 0, no other counter of dropped SYNs moved, no ICMP error about "
        "the storm's segments",
        sentence="{syns:,} SYNs and {answers:,} SYN-ACKs left one host and did not come to the other, and {hidden:,} "
        "segments came and no TCP received them; {unsent:,} SYN-ACKs the server's host did not let out; "
        "{unanswered:,} SYNs got no answer, and no listener dropped one",
        prove=prove_lost_between,
    ),
)
