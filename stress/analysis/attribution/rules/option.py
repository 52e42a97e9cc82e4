# SPDX-License-Identifier: MIT
"""Options: SYNs that something on the way drops because of what they ask for, while those that do not ask pass.

No counter of TCP tells that from something that drops the first SYN of every attempt. What tells is the experiment: an
act that differs in nothing but the option, and in which every attempt connected at once.
"""

import errno

import msgspec
import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.crossings import may_have_unsent_answers
from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.rules.refusal import icmp_errors
from stress.analysis.attribution.rules.rule import Mask, Match, Rule
from stress.model.outcome import Cause
from stress.model.plan import Plan
from stress.model.protocol import Protocol
from stress.model.run import Storm
from stress.model.summary import Grade
from stress.model.world import CLIENT, SERVER

ECN, ECN_FALLBACK = "net.ipv4.tcp_ecn", "net.ipv4.tcp_ecn_fallback"
FAST_OPEN, FAST_OPEN_CLIENT = "net.ipv4.tcp_fastopen", 1  # TFO_CLIENT_ENABLE
MPTCP_RETRIES, MPTCP_RETRIES_BEFORE = "net.mptcp.syn_retrans_before_tcp_fallback", 2  # its value before it was a sysctl
ASKS, ASKS_NOT = ("1",), ("0", "2")  # whether a client asks for ECN in its SYN (RFC 3168; ip-sysctl.rst)


def without_settings(plan: Plan, *settings: str) -> Plan:
    """Return a plan without some settings, as plans of one experiment are alike."""
    world = plan.world
    return msgspec.structs.replace(
        plan,
        sysctls={name: value for name, value in plan.sysctls.items() if name not in settings},
        world=msgspec.structs.replace(
            world,
            sysctls={
                host: {name: value for name, value in values.items() if name not in settings}
                for host, values in world.sysctls.items()
            },
        ),
    )


def find_controls(facts: Facts, *settings: str) -> list[Storm]:
    """Return the other acts that differ in nothing but some settings.

    Each of them must have had an environment of its own: what a firewall learns in one act could spare the next one.
    """
    plan = facts.storm.act.plan
    alike = without_settings(plan, *settings)
    return [
        other
        for other in facts.others
        if plan.fresh and other.act.plan.fresh and without_settings(other.act.plan, *settings) == alike
    ]


def connected_at_once(storm: Storm) -> bool:
    """Return whether every attempt of a storm connected without a SYN sent again, and there was one."""
    attempts = storm.attempts
    return len(attempts) > 0 and not (attempts["error"].any() or attempts["retransmits"].any())


def has_passed_meanwhile(facts: Facts, lost_ns: npt.NDArray[np.int64]) -> bool:
    """Return whether a SYN with the option was lost after one without it had passed.

    Otherwise everything may have been lost for a while, which was over before the other act.

    Args:
        facts: of the storm.
        lost_ns: when some SYNs with the option were sent, CLOCK_MONOTONIC.
    """
    connected = facts.storm.attempts[facts.storm.attempts["error"] == 0]
    if not len(connected) or not len(lost_ns):
        return False
    return int(lost_ns.max()) > int((connected["start_ns"] + connected["latency_ns"]).min())


def is_on_one_host(facts: Facts) -> bool:
    """Return whether the storm is one within the host's own network, where nobody knows what is in its way."""
    return facts.storm.act.plan.host and not facts.is_across_link


def is_all_swallowed(facts: Facts) -> bool:
    """Return whether what was swallowed on the way is exactly the unanswered SYNs, and no TCP dropped any."""
    if facts.is_across_link:
        return is_all_swallowed_between(facts)
    balance = facts.balance
    if balance is None or facts.listener_drops != 0 or facts.other_sinks or icmp_errors(facts):
        return False
    return not facts.syns.unresolved.any() and balance.low == balance.high == facts.unanswered > 0


def is_all_swallowed_between(facts: Facts) -> bool:
    """Return whether the SYNs that did not come to the server's TCP are exactly those without an answer."""
    crossings, unanswered = facts.crossings, facts.unanswered
    if crossings is None or facts.listener_drops != 0 or facts.other_sinks or facts.syns.unresolved.any():
        return False
    if facts.sent_syns != crossings.syns.left or crossings.syn_acks.lost or any(crossings.errors):
        return False
    if may_have_unsent_answers(facts.storm.act) or crossings.unreceived.get(CLIENT) != 0:
        return False
    return crossings.syns.lost + crossings.unreceived.get(SERVER, 0) == unanswered > 0


def prove_ecn_dropped(facts: Facts) -> Match | None:
    """Match attempts that lost each SYN that asked for ECN, and no other.

    The resends do not ask any more, unless tcp_ecn_fallback is 0 (tcp_ecn_clear_syn(), RFC 3168 section 6.1.1.1).
    """
    asks, falls_back = (facts.sysctl_at(CLIENT, name) for name in (ECN, ECN_FALLBACK))
    if asks not in ASKS or falls_back not in ("0", "1") or is_on_one_host(facts):
        return None
    attempts = facts.storm.attempts
    if falls_back == "1":
        as_expected = (attempts["error"] == 0) & (attempts["retransmits"] == 1)
    else:
        as_expected = attempts["error"] == errno.ETIMEDOUT
    controls = [other for other in find_controls(facts, ECN, ECN_FALLBACK) if other.act.sysctls.get(ECN) in ASKS_NOT]
    if not as_expected.all() or not is_all_swallowed(facts) or not controls:
        return None
    if not all(connected_at_once(other) for other in controls):
        return None
    if falls_back == "1" and not has_passed_meanwhile(facts, attempts["start_ns"]):
        return None
    figures = {"syns": facts.unanswered, "control": controls[0].act.name, "connected": len(controls[0].attempts)}
    return Match(np.ones(len(facts.rows), np.bool_), figures)


def find_plain_controls(facts: Facts) -> list[Storm]:
    """Return the other acts that differ in nothing but plain TCP sockets, each in an environment of its own."""
    plan = facts.storm.act.plan
    return [
        other
        for other in facts.others
        if plan.fresh
        and other.act.plan.protocol is Protocol.TCP
        and msgspec.structs.replace(other.act.plan, protocol=plan.protocol) == plan
    ]


def prove_by_control(facts: Facts, attempts: Mask) -> Match | None:
    """Match some attempts whose SYNs with an option were all swallowed, by an act without the option."""
    controls = find_plain_controls(facts)
    if is_on_one_host(facts) or not is_all_swallowed(facts) or not controls or not attempts.any():
        return None
    if not all(connected_at_once(other) for other in controls):
        return None
    figures = {"syns": facts.unanswered, "control": controls[0].act.name, "connected": len(controls[0].attempts)}
    return Match(attempts, figures)


def prove_tfo_dropped(facts: Facts) -> Match | None:
    """Match attempts that lost their first SYN, the only one that has the option (tcp_fastopen_syn_options())."""
    act, attempts = facts.storm.act, facts.storm.attempts
    may_ask = int(facts.sysctl_at(CLIENT, FAST_OPEN) or 0) & FAST_OPEN_CLIENT
    if act.plan.protocol is not Protocol.TFO or not may_ask:
        return None
    if attempts["error"].any() or (attempts["retransmits"] != 1).any():
        return None
    if not has_passed_meanwhile(facts, attempts["start_ns"]):
        return None
    return prove_by_control(facts, np.ones(len(facts.rows), np.bool_))


def prove_mptcp_dropped(facts: Facts) -> Match | None:
    """Match attempts that lost every SYN with MP_CAPABLE (mptcp_active_detect_blackhole(), Linux 6.12).

    The client leaves it out after some timeouts, and after the first such connection in all others for a while; each is
    counted.
    """
    act, attempts = facts.storm.act, facts.storm.attempts
    resends = int(facts.sysctl_at(CLIENT, MPTCP_RETRIES) or MPTCP_RETRIES_BEFORE) + 1
    slow = attempts["retransmits"] == resends
    asked, disabled = (facts.moved(f"MPTcpExtMPCapableSYNTX{end}") for end in ("", "Disabled"))
    if act.plan.protocol is not Protocol.MPTCP or attempts["error"].any() or attempts["retransmits"][~slow].any():
        return None
    if not asked == facts.moved("MPTcpExtMPCapableSYNTXDrop") == int(slow.sum()) or disabled != int((~slow).sum()):
        return None
    last_asked_ns = facts.ladder.due_ns[resends - 2] if resends > 1 else 0
    if not has_passed_meanwhile(facts, attempts["start_ns"][slow] + last_asked_ns):
        return None
    return prove_by_control(facts, facts.attempts["retransmits"] == resends)


RULES = (
    Rule(
        name="ecn_dropped",
        cause=Cause.ECN_DROPPED,
        grade=Grade.COUNTED,
        needs="tcp_ecn = 1 on the client; another act, which differs in tcp_ecn alone and in which every attempt "
        "connected at once; a closed namespace; with tcp_ecn_fallback a SYN that was lost after a resend had passed",
        equation="every attempt lost each SYN that asked for ECN and no other, which is exactly the first with "
        "tcp_ecn_fallback; segment balance = these SYNs, ListenDrops of the listeners on the target = 0",
        sentence="{syns:,} SYNs that asked for ECN were swallowed on the way, and no other; in the act {control!r}, "
        "without ECN, all {connected:,} attempts connected at once",
        prove=prove_ecn_dropped,
    ),
    Rule(
        name="mptcp_dropped",
        cause=Cause.MPTCP_DROPPED,
        grade=Grade.COUNTED,
        needs="MPTCP sockets; another act, which differs in that its sockets are plain TCP and in which every attempt "
        "connected at once; a closed namespace; a SYN with MP_CAPABLE that was lost after a connection; Linux 6.12",
        equation="MPTcpExtMPCapableSYNTX = MPTcpExtMPCapableSYNTXDrop = attempts with exactly "
        "syn_retrans_before_tcp_fallback + 1 resends, MPTcpExtMPCapableSYNTXDisabled = all others; segment balance = "
        "the SYNs of these attempts with MP_CAPABLE, ListenDrops of the listeners on the target = 0",
        sentence="{syns:,} SYNs with MP_CAPABLE were swallowed on the way, and no other; in the act {control!r}, with "
        "plain TCP, all {connected:,} attempts connected at once",
        prove=prove_mptcp_dropped,
    ),
    Rule(
        name="tfo_dropped",
        cause=Cause.TFO_DROPPED,
        grade=Grade.COUNTED,
        needs="sockets with TCP_FASTOPEN_CONNECT that have no cookie; another act, which differs in that its sockets "
        "have not and in which every attempt connected at once; a closed namespace; a first SYN that was lost after a "
        "resend had passed",
        equation="every attempt lost exactly its first SYN, the only one with the option; segment balance = these "
        "SYNs, ListenDrops of the listeners on the target = 0",
        sentence="{syns:,} SYNs with the option of Fast Open were swallowed on the way, and no other; in the act "
        "{control!r}, without it, all {connected:,} attempts connected at once",
        prove=prove_tfo_dropped,
    ),
)
