# SPDX-License-Identifier: MIT
"""Interceptions: collisions whose challenge ACK a firewall answered in the client's place.

``reject with tcp reset`` drops the challenge ACK and sends an RST with the sequence number that it acknowledges
(nf_send_reset(), Linux 6.18). That clears the old socket as the client's own RST would have done; but the client never
saw the challenge ACK, so that it sends its SYN again only after the whole first timeout.
"""

import errno

import numpy as np

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.rules.challenge import count_withheld, may_be_withheld, slow_on_mine
from stress.analysis.attribution.rules.collision import count_challenged
from stress.analysis.attribution.rules.rule import Mask, Match, Rule
from stress.analysis.attribution.syns import CHALLENGING_STATES, Gap
from stress.model.outcome import Cause, Outcome
from stress.model.plan import Close
from stress.model.run import CLOSE_WAIT
from stress.model.summary import Grade

ESTABLISHED = 1  # include/net/tcp_states.h
# States that a socket leaves by itself only with an RST of its own or after TCPAbortOnTimeout; the others may expire.
LASTING_STATES = (ESTABLISHED, CLOSE_WAIT)


def may_be_cleared_unseen(facts: Facts) -> Mask:
    """Return which attempts connected with their second SYN from the 4-tuple of a mine that is gone.

    Their first SYN may have met it, and no answer came. On kernels before 5.6, where no gap is short, an RST of the
    client leaves the same picture.
    """
    syns = facts.syns
    unhastened = (syns.gap == Gap.TIMEOUT) | ((syns.gap == Gap.UNCLEAR) & (facts.ladder.fast is None))
    once = (facts.attempts["retransmits"] == 1) & (syns.challenged == 1) & facts.ended_as(Outcome.RETRIED)
    attempts: Mask = once & unhastened & ~syns.mine_left & np.isin(syns.mine_state, CHALLENGING_STATES)
    return attempts


def cleared_unseen(facts: Facts) -> Mask:
    """Return which of these attempts met their mine."""
    return may_be_cleared_unseen(facts) & facts.syns.met_mine & ~facts.may_be_late


def has_counted_all(facts: Facts) -> bool:
    """Return whether each SYN that met a mine was counted, and no other."""
    return facts.has_counters and facts.moved("TCPSYNChallenge") == count_challenged(facts)


def aborted_by_server(facts: Facts) -> bool:
    """Return whether sockets may have ended without a segment from outside: by their program, or after a timeout."""
    errors = facts.storm.attempts["error"]
    closes = int((errors == 0).sum()) if facts.storm.act.plan.close is Close.RST else 0
    by_program = facts.moved("TCPAbortOnClose") > 0 or facts.moved("TCPAbortOnData") > closes
    return by_program or facts.moved("TCPAbortOnTimeout") > int((errors == errno.ETIMEDOUT).sum())


def may_be_swallowed_alone(facts: Facts, attempts: Mask) -> bool:
    """Return whether segments were swallowed that nobody answered, beyond those of the other attempts.

    An RST in the client's place makes up for the challenge ACK that was dropped: one segment that no TCP received, and
    one that no TCP sent. Without it the old socket went by itself, as one that its program closes in TCP_REPAIR does.
    """
    syns = facts.syns
    others = int(syns.challenged[syns.met_mine & ~attempts].sum(dtype=np.int64))
    return facts.balance is not None and facts.balance.low > facts.unanswered + others


def count_intercepted_by_rule(facts: Facts) -> int | None:
    """Return how many challenge ACKs the laboratory's own rules answered, if that is all; else None."""
    act, syns = facts.storm.act, facts.syns
    answered = sum(act.dropped.get(name, 0) for name in act.plan.world.interceptors)
    on_mine = (syns.met_mine | syns.unresolved) & np.isin(syns.mine_state, CHALLENGING_STATES)
    cleared = int((on_mine & ~syns.mine_left).sum())
    if not answered or (syns.met_mine & facts.fast).any():
        return None
    return answered if answered == facts.moved("TCPChallengeACK") == cleared else None


def prove_by_rule(facts: Facts) -> Match | None:
    """Match attempts whose challenge ACK the laboratory's own rule answered.

    Each answer clears one mine. So where as many are gone as were answered, those that are gone were met, even where
    other SYNs may have been lost before they reached a mine.
    """
    unresolved = may_be_cleared_unseen(facts) & facts.syns.unresolved & ~facts.may_be_late
    attempts, answered = cleared_unseen(facts) | unresolved, count_intercepted_by_rule(facts)
    met = count_challenged(facts) + int(unresolved.sum())
    if answered is None or facts.moved("TCPSYNChallenge") != met or not attempts.any():
        return None
    figures = {"challenged": facts.moved("TCPSYNChallenge"), "answered": answered}
    return Match(attempts, figures, grade_by_kernel(facts, attempts))


def prove_by_kernel(facts: Facts) -> Match | None:
    """Match attempts whose challenge ACK was dropped on the way, and whose mine is gone without an RST of a TCP."""
    if facts.kernel is None or not facts.has_counters or aborted_by_server(facts):
        return None
    lasting = np.isin(facts.syns.mine_state, LASTING_STATES)
    attempts = may_be_cleared_unseen(facts) & lasting & (facts.syns.gap == Gap.TIMEOUT) & ~facts.may_be_late
    attempts &= (facts.kernel.met_socket > 0) & (facts.kernel.challenges_lost > 0) & (facts.kernel.reset_by_tcp == 0)
    if not attempts.any() or may_be_swallowed_alone(facts, attempts):
        return None
    return Match(attempts, {"dropped": int(facts.kernel.challenges_lost[attempts].sum())})


def count_unanswered_challenges(facts: Facts) -> int | None:
    """Return to how many challenge ACKs no TCP sent an RST; None where RSTs may have been sent for other reasons.

    An RST that overtakes its handshake's last ACK is answered by one more (EmbryonicRsts), or the accept queue was
    full: see ``books.unanswered_claims``.
    """
    embryonic = facts.moved("EmbryonicRsts")
    if not facts.alone or facts.ended_as(Outcome.REFUSED, Outcome.RESET).any():
        return None
    if embryonic and facts.moved("ListenDrops"):
        return None
    connected = int((facts.storm.attempts["error"] == 0).sum())
    closes = connected if facts.storm.act.plan.close.sends_rst else 0
    return facts.moved("TCPChallengeACK") - (facts.moved("OutRsts") - embryonic - closes)


def prove_by_counters(facts: Facts) -> Match | None:
    """Match attempts whose mine is gone although no TCP sent an RST that could have cleared it.

    A challenge ACK that reaches a client is answered by an RST, at once, and hastens the next SYN. So those without an
    RST are at most the ones that were sent to attempts without a short gap; when they are as many, every one of them
    had none, and every RST is accounted for.
    """
    syns = facts.syns
    attempts = cleared_unseen(facts) & (syns.gap == Gap.TIMEOUT) & np.isin(syns.mine_state, LASTING_STATES)
    unanswered, withheld = count_unanswered_challenges(facts), count_withheld(facts)
    if not attempts.any() or unanswered is None or not has_counted_all(facts) or aborted_by_server(facts):
        return None
    if may_be_swallowed_alone(facts, attempts):
        return None
    challenging = syns.met_mine & np.isin(syns.mine_state, CHALLENGING_STATES)
    if withheld not in (0, int(may_be_withheld(facts)[slow_on_mine(facts)].sum())):
        return None
    if withheld and (challenging & facts.fast & syns.mine_left).any():
        return None  # of an RST that was lost nobody knows to which of two SYNs the answer was withheld
    if unanswered != int(syns.challenged[challenging & ~facts.fast].sum(dtype=np.int64)) - withheld:
        return None
    figures = {"challenged": count_challenged(facts), "unanswered": unanswered}
    return Match(attempts, figures, grade_by_kernel(facts, attempts))


def grade_by_kernel(facts: Facts, attempts: Mask) -> Grade | None:
    """Return KERNEL where the kernel named the challenge ACK of every one of the attempts as dropped."""
    said = facts.kernel is not None and bool((facts.kernel.challenges_lost[attempts] > 0).all())
    return Grade.KERNEL if said else None


RULES = (
    Rule(
        name="challenge_intercepted.rule",
        cause=Cause.CHALLENGE_INTERCEPTED,
        grade=Grade.COUNTED,
        needs="the laboratory's own rule, which answers challenge ACKs by an RST; an old socket on the 4-tuple, gone "
        "after the storm by its cookie; one resend after the whole first timeout",
        equation="challenge ACKs that the rule answered = TCPChallengeACK = old sockets cleared, and TCPSYNChallenge = "
        "SYNs that met such sockets",
        sentence="{challenged:,} SYNs met an old socket, and the rule answered all {answered:,} challenge ACKs: the "
        "sockets are gone, and no client learned of it",
        prove=prove_by_rule,
        rests_on=("TCPSYNChallenge", "TCPChallengeACK"),
    ),
    Rule(
        name="challenge_intercepted.kernel",
        cause=Cause.CHALLENGE_INTERCEPTED,
        grade=Grade.KERNEL,
        needs="the kernel's own word; an old socket in CLOSE_WAIT or ESTABLISHED on the 4-tuple, gone after the storm "
        "by its cookie; one resend after the whole first timeout",
        equation="events for a refused SYN and a dropped challenge ACK of each attempt's 4-tuple, and none for a reset "
        "by TCP; TCPAbortOnTimeout = ETIMEDOUT, TCPAbortOnClose = 0, and TCPAbortOnData is at most the reset closes",
        sentence="the kernel dropped {dropped:,} challenge ACKs, and the old sockets are gone although no TCP sent an "
        "RST: a firewall did",
        prove=prove_by_kernel,
    ),
    Rule(
        name="challenge_intercepted",
        cause=Cause.CHALLENGE_INTERCEPTED,
        grade=Grade.COUNTED,
        needs="counters of a namespace in which nobody else sends a SYN; an old socket in CLOSE_WAIT or ESTABLISHED on "
        "the 4-tuple, gone after the storm by its cookie; one resend after the whole first timeout; no refusal",
        equation="TCPSYNChallenge = SYNs that met such sockets, and TCPChallengeACK - (OutRsts - EmbryonicRsts - reset "
        "closes) = challenge ACKs sent to attempts without a short gap; TCPAbortOnTimeout = ETIMEDOUT, TCPAbortOnClose "
        "= 0, and TCPAbortOnData is at most the reset closes",
        sentence="{challenged:,} SYNs met an old socket; to {unanswered:,} challenge ACKs no TCP sent an RST, and the "
        "sockets of these attempts are gone: a firewall answered",
        prove=prove_by_counters,
        rests_on=("TCPSYNChallenge", "TCPChallengeACK"),  # the books' sum of RSTs is off by what it claims
    ),
)
