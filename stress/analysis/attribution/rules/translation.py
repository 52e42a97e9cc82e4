# SPDX-License-Identifier: MIT
"""Translations: SYNs that a router dropped because it had given their new source port away.

Nobody notices that two connections have one port before the second is inserted into conntrack's table; then its SYN is
dropped (__nf_conntrack_confirm(), counters insert_failed and drop). Either both looked for a port at one moment, or
none was left to look for (nf_nat_l4proto_unique_tuple(), Linux 6.18).
"""

import re

import numpy as np

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.rules.rule import Mask, Match, Rule
from stress.lab.conntrack import MAX_CONNECTIONS
from stress.lab.counters import sum_counters
from stress.model.outcome import Cause, Outcome
from stress.model.plan import Close
from stress.model.summary import Grade
from stress.model.world import ROUTER, Hook, World

# Of one address: several have as many ports each.
GIVEN_PORTS = re.compile(r"(?:masquerade to |snat ip to [\d.]+|snat ip6 to \[[\da-f:]+\]):(\d+)-(\d+)")
ANY_PORTS = 65536 - 1024  # for a connection from a port that is not privileged


def count_ports(world: World) -> int | None:
    """Return how many source ports a world's router can give to connections; None where that is not known."""
    rules = [rule for rule in world.rules if rule.nat]
    if len(rules) != 1 or (rules[0].on, rules[0].hook) != (ROUTER, Hook.POSTROUTING):
        return None
    if match := GIVEN_PORTS.fullmatch(rules[0].action):
        low, high = map(int, match.groups())
        return high - low + 1
    return ANY_PORTS if rules[0].action in ("masquerade", "masquerade fully-random", "masquerade random") else None


def count_refused(facts: Facts) -> int:
    """Return how many SYNs the router dropped for their port, if these are all that got no answer; else 0.

    The sums leave no room for anything else: every segment that no TCP received was dropped by conntrack, every such
    drop was a failed insertion, and there are as many as SYNs without an answer.
    """
    counts, balance = facts.conntrack_at(ROUTER), facts.balance
    failed = counts.get("insert_failed", 0)
    if not facts.storm.act.plan.world.translates or balance is None or not facts.alone:
        return 0
    others = facts.moved("ListenDrops") + facts.other_sinks + counts.get("chaintoolong", 0)
    exact = failed == counts.get("drop", 0) == facts.unanswered == balance.low == balance.high
    return failed if exact and not others else 0


def without_answer(facts: Facts) -> Mask:
    """Return which attempts had SYNs that met no old socket and got no answer, shape (rows,)."""
    attempts: Mask = facts.turned_away & ~facts.syns.met_mine & ~facts.syns.unresolved
    return attempts


def prove_snat_clash(facts: Facts) -> Match | None:
    """Match attempts whose SYN was dropped although ports were left: another connection got theirs meanwhile.

    There are ports left where all connections of the act together are fewer, however long conntrack remembers them.
    """
    act = facts.storm.act
    refused, ports, attempts = count_refused(facts), count_ports(act.plan.world), without_answer(facts)
    connections = len(facts.storm.attempts) + act.mines_laid
    if not refused or ports is None or connections >= ports or not attempts.any():
        return None
    return Match(attempts, {"refused": refused, "connections": connections, "ports": ports})


def prove_snat_exhausted(facts: Facts) -> Match | None:
    """Match attempts whose last SYN, and so each, was dropped while as many connections were held as there are ports.

    An attempt that ended by ETIMEDOUT sent its last SYN no sooner than at the last rung of the ladder.
    """
    storm, plan = facts.storm, facts.storm.act.plan
    refused, ports = count_refused(facts), count_ports(plan.world)
    if not refused or ports is None or plan.close is not Close.HOLD:
        return None
    connected = storm.attempts[storm.attempts["error"] == 0]
    if len(connected) != ports:
        return None
    all_held_ns = int((connected["start_ns"] + connected["latency_ns"]).max())
    rungs = facts.ladder.rungs
    last_syn_ns = facts.attempts["start_ns"] + (rungs[-1].from_ns if rungs else 0)
    attempts = without_answer(facts) & facts.ended_as(Outcome.TIMED_OUT) & np.asarray(last_syn_ns > all_held_ns)
    return Match(attempts, {"refused": refused, "ports": ports}) if attempts.any() else None


def count_places(world: World) -> int | None:
    """Return how many connections the hosts of a world may track, where the world says so."""
    limits = [settings[MAX_CONNECTIONS] for settings in world.sysctls.values() if MAX_CONNECTIONS in settings]
    return int(limits[0]) if len(limits) == 1 else None


def prove_conntrack_full(facts: Facts) -> Match | None:
    """Match attempts whose SYNs a host dropped that tracked as many connections as it may.

    The sums leave no room for anything else: every segment that no TCP received was dropped by conntrack, no such drop
    was a failed insertion, there are as many as SYNs without an answer, and the connections held are as many as the
    table has places (__nf_conntrack_alloc(), Linux 6.18).
    """
    storm, balance = facts.storm, facts.balance
    counts = sum_counters(report.conntrack for report in storm.act.hosts.values())
    dropped, places = counts.get("drop", 0), count_places(storm.act.plan.world)
    if not dropped or balance is None or not facts.alone or storm.act.plan.close is not Close.HOLD:
        return None
    others = facts.moved("ListenDrops") + facts.other_sinks
    others += sum(counts.get(name, 0) for name in ("insert_failed", "chaintoolong", "early_drop"))
    held = int((storm.attempts["error"] == 0).sum())
    attempts = without_answer(facts)
    if others or held != places or not dropped == facts.unanswered == balance.low == balance.high or not attempts.any():
        return None
    return Match(attempts, {"dropped": dropped, "places": places})


ALL_SYNS = (
    "a router of the laboratory whose rule gives the ports; insert_failed = drop of its conntrack = segments that no "
    "TCP received = SYNs without an answer"
)

RULES = (
    Rule(
        name="conntrack_full",
        cause=Cause.CONNTRACK_FULL,
        grade=Grade.COUNTED,
        needs="conntrack's counters and limit on the laboratory's hosts, and connections that are held until the end",
        equation="drop of conntrack = segments that no TCP received = SYNs without an answer, insert_failed = 0, and "
        "connections held = nf_conntrack_max",
        sentence="conntrack dropped {dropped:,} SYNs, all that got no answer, while the {places:,} connections that it "
        "may track were held",
        prove=prove_conntrack_full,
    ),
    Rule(
        name="snat_exhausted",
        cause=Cause.SNAT_EXHAUSTED,
        grade=Grade.COUNTED,
        needs="the rule of the laboratory's router, and connections that are held until the end",
        equation=f"{ALL_SYNS}; connections held = ports of the rule, before the attempt's last SYN",
        sentence="the router dropped {refused:,} SYNs (insert_failed), all that got no answer, while {ports:,} "
        "connections held its {ports:,} ports",
        prove=prove_snat_exhausted,
    ),
    Rule(
        name="snat_clash",
        cause=Cause.SNAT_CLASH,
        grade=Grade.COUNTED,
        needs="the rule of the laboratory's router",
        equation=f"{ALL_SYNS}; all connections of the storm < ports of the rule, so that ports were left",
        sentence="the router dropped {refused:,} SYNs (insert_failed), all that got no answer, though {connections:,} "
        "connections left some of its {ports:,} ports",
        prove=prove_snat_clash,
    ),
)
