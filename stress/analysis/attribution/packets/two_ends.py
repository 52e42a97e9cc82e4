# SPDX-License-Identifier: MIT
"""Both ends: what became of a packet that one file has and the other one does not have.

Nothing follows from a packet that is not in a file, unless the file says that its capture lost none, and has packets of
the same try from before and after: then its host, its interface and its time were captured.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.packets.collision import REMOVABLE, comes_as_far, has_numbers
from stress.analysis.attribution.packets.facts import Mask, PacketFacts
from stress.analysis.attribution.packets.rule import PacketRule
from stress.analysis.attribution.rules.rule import Match
from stress.model.flow import Losses, Vantage
from stress.model.outcome import Cause, Outcome
from stress.model.summary import Grade
from stress.model.units import SECOND_NS

BEGUN_NS = 3 * SECOND_NS  # so long before the first SYN of a flow a capture had begun, if it says so
Flows = npt.NDArray[Any]


def ends_of(facts: PacketFacts) -> tuple[Flows, Flows]:
    """Return the flows of each pair, as the file nearer to the client may have them and as the other file has them."""
    near, far = facts.pairs
    return facts.flows[near], facts.flows[far]


def matches(facts: PacketFacts, pairs: Mask, *outcomes: Outcome) -> Mask:
    """Return which tries have one of some pairs, and ended in one of some ways, shape (attempts,)."""
    tries = np.zeros(len(facts.attempts), np.bool_)
    tries[facts.flows["attempt"][facts.pairs[0][pairs]]] = True
    return tries & facts.ended_as(*outcomes)


def is_nearer(near: Flows, far: Flows) -> Mask:
    """Return whether the first file of each pair was taken nearer to the client than the second, shape (pairs,).

    By what the files say of their hosts, by the hops that the SYN has left, or by how long the SYN-ACK took: the client
    waits for the way there and back, and everybody else for less.
    """
    said = (near["vantage"] == Vantage.CLIENT) & (far["vantage"] == Vantage.SERVER)
    by_hops = near["client_hops"] > far["client_hops"]
    answered = (near["syn_acks"] > 0) & (far["syn_acks"] > 0)
    waits = [flows["syn_ack_ns"] - flows["last_syn_ns"] for flows in (near, far)]
    by_time = answered & (waits[1] >= 0) & (waits[0] > waits[1])
    same_hops = near["client_hops"] == far["client_hops"]
    nearer: Mask = said | by_hops | (same_hops & by_time)
    return nearer


def lost_nothing(flows: Flows) -> Mask:
    """Return whether the files say that their captures lost no packet, shape (flows,)."""
    said: Mask = flows["losses"] == Losses.NONE
    return said


def met_far(far: Flows) -> Mask:
    """Return whether an old socket that an exact RST removes answered at the far end, shape (flows,)."""
    return has_numbers(far, REMOVABLE) & comes_as_far(far)


def sent_no_rst(flows: Flows) -> Mask:
    """Return whether no RST of the client's side was seen before the last SYN, shape (flows,).

    Later a program of the server may end and close its old socket, whose FIN the client's host answers by an RST.
    """
    none: Mask = (flows["client_reset_ns"] < 0) | (flows["client_reset_ns"] > flows["last_syn_ns"])
    return none


def heard_no_challenge(near: Flows) -> Mask:
    """Return whether no challenge came to the near end, and no RST of the client left it, shape (flows,)."""
    silent: Mask = lost_nothing(near) & (near["challenges"] == 0) & sent_no_rst(near) & (near["is_ended"] == 1)
    return silent


def prove_intercepted(facts: PacketFacts) -> Match | None:
    """Match tries whose challenge the client never got, but somebody answered by an RST in its place."""
    near, far = ends_of(facts)
    answered = (far["exact_resets"] > 0) & (far["client_reset_ns"] >= far["challenge_ns"]) & (far["syn_acks"] > 0)
    pairs = met_far(far) & answered & heard_no_challenge(near) & is_nearer(near, far)
    attempts = matches(facts, pairs, Outcome.RETRIED)
    figures = {"challenges": int(far["challenges"][pairs].sum(dtype=np.int64))}
    return Match(attempts, figures) if attempts.any() else None


def prove_challenge_dropped(facts: PacketFacts) -> Match | None:
    """Match tries whose challenges left the far end and did not come to the near one."""
    near, far = ends_of(facts)
    pairs = met_far(far) & sent_no_rst(far) & heard_no_challenge(near) & is_nearer(near, far)
    attempts = matches(facts, pairs, Outcome.TIMED_OUT)
    figures = {"challenges": int(far["challenges"][pairs].sum(dtype=np.int64))}
    return Match(attempts, figures) if attempts.any() else None


def prove_rst_dropped(facts: PacketFacts) -> Match | None:
    """Match tries whose RST left the near end and did not come to the far one."""
    near, far = ends_of(facts)
    sent = (near["exact_resets"] > 0) & (near["challenges"] > 0)
    goes_on = far["last_syn_ns"] > far["challenge_ns"]  # the RST would have come before that SYN
    missed = lost_nothing(far) & sent_no_rst(far) & goes_on
    pairs = sent & met_far(far) & missed & is_nearer(near, far)
    attempts = matches(facts, pairs, Outcome.TIMED_OUT)
    figures = {"resets": int(near["exact_resets"][pairs].sum(dtype=np.int64))}
    return Match(attempts, figures) if attempts.any() else None


def asks_the_same(near: Flows) -> Mask:
    """Return whether the answered SYN had the options and flags of the first one, shape (flows,).

    Otherwise something on the way may drop SYNs for what they ask.
    """
    same: Mask = (near["options"] == near["last_options"]) & (near["flags"] == near["last_flags"])
    return same


def prove_syns_lost(facts: PacketFacts) -> Match | None:
    """Match tries of which only the last SYN came to the far end, where it was answered.

    The client's ACK must have come there, too: it left after the last SYN, so that on a path that keeps the order no
    SYN is still on its way. Without it the one that came may be the first, late, and the others later still.
    """
    near, far = ends_of(facts)
    answered = (far["syn_acks"] > 0) & (near["syn_acks"] > 0) & (near["syn_ack_ns"] >= near["last_syn_ns"])
    quiet = (near["challenges"] == 0) & (far["challenges"] == 0)
    had_begun = (far["is_begun"] == 1) & (near["last_syn_ns"] <= BEGUN_NS)
    missed = (near["syns"] > 1) & (far["syns"] == 1) & lost_nothing(far) & had_begun
    pairs = missed & answered & quiet & asks_the_same(near) & (far["ack_ns"] >= 0)
    attempts = matches(facts, pairs, Outcome.RETRIED)
    figures = {"syns": int((near["syns"][pairs].astype(np.int64) - 1).sum())}
    return Match(attempts, figures) if attempts.any() else None


def prove_syn_acks_lost(facts: PacketFacts) -> Match | None:
    """Match tries whose first SYN was answered at the far end, and the answer did not come to the near one."""
    near, far = ends_of(facts)
    sent = (far["syn_acks"] > near["syn_acks"]) & (far["syn_ack_ns"] >= 0) & (far["syn_ack_ns"] < far["second_syn_ns"])
    missed = lost_nothing(near) & (near["syn_acks"] > 0) & (near["syn_ack_ns"] >= near["second_syn_ns"])
    quiet = (near["challenges"] == 0) & (far["challenges"] == 0) & (near["second_syn_ns"] > 0)
    pairs = sent & missed & quiet
    attempts = matches(facts, pairs, Outcome.RETRIED)
    figures = {"syn_acks": int((far["syn_acks"][pairs].astype(np.int64) - near["syn_acks"][pairs]).sum())}
    return Match(attempts, figures) if attempts.any() else None


BOTH = (
    "the try in two files, one taken nearer to the client, as their directions, the hops or the times of the SYN-ACK "
    "tell; {whole} says that its capture lost nothing, and has packets of the try from before and after; "
)
OLD_SOCKET = (
    "in the server's file an ACK that answers the SYN with the numbers of the earlier connection on this 4-tuple, the "
    "server's side of which did not end in TIME_WAIT; "
)
RULES = (
    PacketRule(
        name="challenge_intercepted.packets",
        cause=Cause.CHALLENGE_INTERCEPTED,
        grade=Grade.PACKETS,
        needs=BOTH.format(whole="the client's") + OLD_SOCKET + "then the exact RST of the client's side, a SYN and a "
        "SYN-ACK",
        equation="answers of the old socket in the client's file = RSTs of the client in it = 0",
        sentence="{challenges:,} answers of old sockets did not come to the client, and RSTs that the client did not "
        "send removed the sockets: somebody on the way answered",
        prove=prove_intercepted,
    ),
    PacketRule(
        name="rst_dropped.packets.both",
        cause=Cause.RST_DROPPED,
        grade=Grade.PACKETS,
        needs=BOTH.format(whole="the server's") + OLD_SOCKET + "in the client's file the same answer and the exact "
        "RST; the try did not connect",
        equation="RSTs of the client's side before the last SYN in the server's file = 0",
        sentence="{resets:,} RSTs left the client's side and did not come to the server's",
        prove=prove_rst_dropped,
    ),
    PacketRule(
        name="challenge_dropped.packets",
        cause=Cause.CHALLENGE_DROPPED,
        grade=Grade.PACKETS,
        needs=BOTH.format(whole="the client's") + OLD_SOCKET + "no RST of the client's side before the last SYN in "
        "either file; the try did not connect",
        equation="answers of the old socket in the client's file = 0",
        sentence="{challenges:,} answers of old sockets left the server's side and did not come to the client's",
        prove=prove_challenge_dropped,
    ),
    PacketRule(
        name="lost_on_the_way.packets.syn",
        cause=Cause.LOST_ON_THE_WAY,
        grade=Grade.PACKETS,
        needs=BOTH.format(whole="the server's") + "the last SYN and its SYN-ACK in both; then the client's ACK in the "
        "server's, which no SYN overtakes; no answer of an old socket",
        equation="SYNs in the server's file = 1 < SYNs in the client's file, and options and flags of the first SYN = "
        "those of the last: something that drops SYNs for what they ask would have dropped that too",
        sentence="{syns:,} SYNs are in one file and did not come to where the other one was taken",
        prove=prove_syns_lost,
    ),
    PacketRule(
        name="lost_on_the_way.packets.syn_ack",
        cause=Cause.LOST_ON_THE_WAY,
        grade=Grade.PACKETS,
        needs=BOTH.format(whole="the client's") + "no answer of an old socket",
        equation="in the server's file the SYN-ACK comes before the second SYN, in the client's file after it, and "
        "SYN-ACKs in the client's file < those in the server's",
        sentence="{syn_acks:,} SYN-ACKs are in one file and did not come to where the other one was taken",
        prove=prove_syn_acks_lost,
    ),
)
