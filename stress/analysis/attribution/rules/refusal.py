# SPDX-License-Identifier: MIT
"""Refusals: nobody listens, a firewall answers in the server's place, or the client's own host refuses."""

import errno

import numpy as np

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.outcome import is_self_connected
from stress.analysis.attribution.refused import is_answered_by_error, is_target_open, is_unreachable
from stress.analysis.attribution.rules.rule import Match, Rule
from stress.analysis.attribution.syns import CHALLENGING_STATES
from stress.lab.neighbour import UNANSWERED
from stress.model.outcome import Cause, Outcome
from stress.model.summary import Grade


def prove_self_connected(facts: Facts) -> Match | None:
    """Match attempts that connected to themselves (RFC 9293 section 3.5, simultaneous open): nobody else was there."""
    attempts = facts.ended_as(Outcome.SELF_CONNECTED)
    return Match(attempts, {"elsewhere": elsewhere_text(facts)}) if attempts.any() else None


def elsewhere_text(facts: Facts) -> str:
    """Return where somebody listens instead, as the end of a sentence."""
    places = facts.storm.act.listener_elsewhere
    return f"; somebody listens on {', '.join(places)}" if places else ""


def icmp_errors(facts: Facts) -> int:
    """Return how many ICMP errors came in; across a link those that quote a segment of the storm, where counted."""
    counted = facts.moved("IcmpInDestUnreachs") + facts.moved("Icmp6InDestUnreachs")
    return facts.crossings.errors.came if facts.crossings is not None else counted


def count_unexplained_rsts(facts: Facts) -> int | None:
    """Return how many RSTs TCP sent beyond those that end or clear connections of the storm; None where unknown.

    An RST answers each challenge ACK that arrives, so all that were sent must have.
    """
    syns = facts.syns
    answered = facts.fast & np.isin(syns.mine_state, CHALLENGING_STATES)
    if not facts.alone or facts.moved("EmbryonicRsts") or ((syns.met_mine | syns.unresolved) & ~answered).any():
        return None
    connected = int((facts.storm.attempts["error"] == 0).sum())
    closes = connected if facts.storm.act.plan.close.sends_rst else 0
    return facts.moved("OutRsts") - closes - facts.moved("TCPChallengeACK")


def prove_no_listener_by_kernel(facts: Facts) -> Match | None:
    """Match refusals by an RST of which the kernel says that it sent it because no socket was there."""
    if facts.kernel is None:
        return None
    attempts = facts.ended_as(Outcome.REFUSED) & (facts.kernel.refused_by_tcp > 0)
    figures = {"resets": int(facts.kernel.refused_by_tcp[attempts].sum()), "elsewhere": elsewhere_text(facts)}
    return Match(attempts, figures) if attempts.any() else None


def prove_no_listener(facts: Facts) -> Match | None:
    """Match refusals by RSTs that the server's TCP sent while nobody listened.

    A listener that is closed in the middle of a storm resets what was in its queue as well. Then there are more RSTs,
    and every refusal must have come after the last connection.
    """
    attempts, resets = facts.ended_as(Outcome.REFUSED), count_unexplained_rsts(facts)
    refused = int(attempts.sum())
    if resets is None or not refused or is_target_open(facts.storm.act) or icmp_errors(facts):
        return None
    starts, connected = facts.storm.attempts["start_ns"], facts.storm.attempts["error"] == 0
    others = connected & ~is_self_connected(facts.storm.attempts, facts.storm.act.address)
    closed_during = bool(others.any())
    after = not closed_during or int(facts.attempts["start_ns"][attempts].min()) > int(starts[others].max())
    if resets != refused and not (resets > refused and closed_during and after):
        return None
    if facts.is_across_link and (facts.resets_of_server or 0) < refused:
        return None
    grade = Grade.COUNTED if resets == refused else Grade.TIMED
    return Match(attempts, {"refused": refused, "resets": resets, "elsewhere": elsewhere_text(facts)}, grade)


def prove_rejected_by_rst_by_kernel(facts: Facts) -> Match | None:
    """Match refusals of which the kernel says that the SYN was dropped on the way, and that no TCP answered it."""
    if facts.kernel is None or icmp_errors(facts):
        return None
    swallowed = (facts.kernel.syns_lost > 0) & (facts.kernel.refused_by_tcp == 0)
    attempts = facts.ended_as(Outcome.REFUSED) & swallowed
    return Match(attempts, {"refused": int(attempts.sum())}) if attempts.any() else None


def prove_rejected_by_rst(facts: Facts) -> Match | None:
    """Match refusals by RSTs that no TCP of the namespace sent (nf_send_reset())."""
    attempts = facts.ended_as(Outcome.REFUSED)
    if count_unexplained_rsts(facts) != 0 or facts.storm.act.outside_packets != 0 or icmp_errors(facts):
        return None
    return Match(attempts, {"refused": int(attempts.sum())}) if attempts.any() else None


def prove_rejected_by_icmp(facts: Facts) -> Match | None:
    """Match attempts that an ICMP error ended: as many errors came in as they sent SYNs, and TCP sent no RST.

    Over IPv6 the error that answers the first SYN finds the socket locked by connect() and is lost (tcp_v6_err(),
    LockDroppedIcmps), so that the attempt is ended by the answer to its second SYN.
    """
    refused, again = facts.ended_as(Outcome.REFUSED), facts.attempts["retransmits"] > 0
    unreachable = facts.unreachable if facts.refused_at_once == 0 else np.zeros_like(refused)
    attempts = (refused | unreachable | (is_unreachable(facts.attempts) & again)) & ~facts.held
    errors, syns = icmp_errors(facts), int((facts.attempts["retransmits"][attempts].astype(np.int64) + 1).sum())
    resets = count_unexplained_rsts(facts) if refused.any() else 0
    if not attempts.any() or not facts.alone or resets != 0 or errors != syns:
        return None
    # On the loopback the first error of each finds the socket locked. Errors for others, as of UDP, are not counted so.
    if facts.storm.act.outside_packets == 0 and facts.moved("LockDroppedIcmps") != int(attempts.sum()):
        return None
    return Match(attempts, {"errors": errors})


def prove_rejected_by_rationed_icmp(facts: Facts) -> Match | None:
    """Match attempts each of whose unanswered SYNs was answered by an ICMP error, or by one that a host withheld.

    A host sends some errors per second to one address (icmpv4_xrlim_allow(), icmp6_send()): who gets none waits, and
    ends with ETIMEDOUT. Every segment that was swallowed must have been one of these SYNs.
    """
    balance, attempts = facts.balance, facts.turned_away | is_answered_by_error(facts.attempts)
    if not facts.icmp_withheld or balance is None or not facts.alone or facts.refused_at_once:
        return None
    if facts.listener_drops != 0 or facts.other_sinks or facts.syns.unresolved.any():
        return None
    answered = int(is_answered_by_error(facts.attempts).sum())
    syns = answered + int(facts.syns.unanswered[attempts].sum(dtype=np.int64))
    if not syns == facts.unanswered + answered == balance.low == balance.high == facts.icmp_due:
        return None
    figures = {"syns": syns, "withheld": facts.icmp_withheld, "sent": facts.icmp_due - facts.icmp_withheld}
    return Match(attempts, figures)


def prove_rejected_by_errno(facts: Facts) -> Match | None:
    """Match attempts that sent a SYN and ended with an errno which nothing but an ICMP error gives after that.

    A host whose neighbour does not answer sends such an error to itself, later.
    """
    attempts = is_unreachable(facts.attempts) & ~facts.held
    count, errors = int(attempts.sum()), icmp_errors(facts)
    if not count or not facts.alone or facts.refused_at_once or facts.storm.act.next_hop in UNANSWERED:
        return None
    return Match(attempts, {"errors": errors}) if errors >= count else None


def prove_refused_by_host(facts: Facts) -> Match | None:
    """Match attempts whose connect() failed before it sent a SYN: ActiveOpens is that of the others."""
    attempts = facts.unreachable
    count = int(attempts.sum())
    if not count or facts.refused_at_once != count:
        return None
    numbers = np.unique(facts.attempts["error"][attempts]).tolist()
    return Match(attempts, {"errnos": ", ".join(errno.errorcode.get(number, str(number)) for number in numbers)})


RULES = (
    Rule(
        name="no_listener.self",
        cause=Cause.NO_LISTENER,
        grade=Grade.COUNTED,
        needs="an attempt that connected from the server's own address and port",
        equation="getsockname() = getpeername(): a listener would have answered the SYN (RFC 9293 section 3.5)",
        sentence="{attempts:,} drew the server's port as their own and connected to themselves: nobody "
        "listened{elsewhere}",
        prove=prove_self_connected,
    ),
    Rule(
        name="no_listener.kernel",
        cause=Cause.NO_LISTENER,
        grade=Grade.KERNEL,
        needs="the kernel's own word",
        equation="a reset NO_SOCKET of each attempt's 4-tuple",
        sentence="the kernel sent {resets:,} RSTs because no socket was there{elsewhere}",
        prove=prove_no_listener_by_kernel,
    ),
    Rule(
        name="no_listener",
        cause=Cause.NO_LISTENER,
        grade=Grade.COUNTED,
        needs="no listener on the target after the storm; nobody else in the namespace sent a SYN; no ICMP error",
        equation="OutRsts - reset closes - TCPChallengeACK = refused attempts; more only where the listener was closed "
        "during the storm and every refusal came after the last connection",
        sentence="{refused:,} attempts were refused by {resets:,} RSTs that TCP sent; nobody listened{elsewhere}",
        prove=prove_no_listener,
        rests_on=("OutRsts",),
    ),
    Rule(
        name="rejected_by_rst.kernel",
        cause=Cause.REJECTED_BY_RST,
        grade=Grade.KERNEL,
        needs="the kernel's own word; no ICMP error",
        equation="an event for the dropped SYN of each attempt's 4-tuple, and none for a reset by TCP",
        sentence="{refused:,} attempts were refused although their SYNs were dropped on the way: by a firewall's RST",
        prove=prove_rejected_by_rst_by_kernel,
    ),
    Rule(
        name="rejected_by_rst",
        cause=Cause.REJECTED_BY_RST,
        grade=Grade.COUNTED,
        needs="a closed namespace in which nobody else sent a SYN; no ICMP error",
        equation="OutRsts = reset closes + TCPChallengeACK: no TCP sent an RST that refuses",
        sentence="{refused:,} attempts were refused by RSTs that no TCP sent: a firewall did",
        prove=prove_rejected_by_rst,
        rests_on=("OutRsts",),
    ),
    Rule(
        name="rejected_by_icmp",
        cause=Cause.REJECTED_BY_ICMP,
        grade=Grade.COUNTED,
        needs="counters of a namespace in which nobody else sent a SYN",
        equation="IcmpInDestUnreachs + Icmp6InDestUnreachs = SYNs of the attempts refused or unreachable, and "
        "OutRsts = reset closes + TCPChallengeACK; on the loopback LockDroppedIcmps = these attempts",
        sentence="{errors:,} ICMP errors came in, one for each SYN of these attempts",
        prove=prove_rejected_by_icmp,
    ),
    Rule(
        name="rejected_by_icmp.rationed",
        cause=Cause.REJECTED_BY_ICMP,
        grade=Grade.COUNTED,
        needs="the counters of every host on the way; nobody else in them sent a SYN; no SYN dropped by the listener",
        equation="ICMP errors sent (OutDestUnreachs) + withheld (OutRateLimitHost, OutRateLimitGlobal) = segments "
        "that were sent and not received = SYNs of the attempts refused, unreachable or without an answer",
        sentence="each of {syns:,} SYNs was to be answered by an ICMP error; {sent:,} were sent, and {withheld:,} "
        "withheld by a limit of their rate",
        prove=prove_rejected_by_rationed_icmp,
    ),
    Rule(
        name="rejected_by_icmp.errno",
        cause=Cause.REJECTED_BY_ICMP,
        grade=Grade.COUNTED,
        needs="an errno other than ECONNREFUSED and ETIMEDOUT after a SYN was sent; a neighbour that answers; nobody "
        "else in the namespace sent a SYN",
        equation="ActiveOpens = attempts that sent a SYN, all of these included; IcmpInDestUnreachs + "
        "Icmp6InDestUnreachs >= these attempts",
        sentence="{attempts:,} ended with the errno of an ICMP error after they had sent a SYN; {errors:,} came in",
        prove=prove_rejected_by_errno,
    ),
    Rule(
        name="refused_by_host",
        cause=Cause.REFUSED_BY_HOST,
        grade=Grade.COUNTED,
        needs="the errno of connect(), and ActiveOpens",
        equation="ActiveOpens = SYNs of the other attempts",
        sentence="connect() failed with {errnos} before a SYN was sent: a route, a rule or a policy of the client's "
        "host",
        prove=prove_refused_by_host,
    ),
)
