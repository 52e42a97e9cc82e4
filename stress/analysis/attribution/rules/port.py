# SPDX-License-Identifier: MIT
"""Ports: connect() or bind() found no source port, or no source address to have one of."""

import numpy as np

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.port_reuse import count_ports_held, is_port_still_taken
from stress.analysis.attribution.rules.rule import Mask, Match, Rule
from stress.lab.sysctl import parse_ports
from stress.model.outcome import Cause, Outcome
from stress.model.summary import Grade


def without_port(facts: Facts) -> Mask:
    """Return which attempts found no port on the host whose ports are known."""
    return facts.ended_as(Outcome.NO_PORT, Outcome.IN_USE) & facts.of_this_host


def ports_of_others(facts: Facts) -> set[int]:
    """Return the ports of the range that sockets of others held before and after the storm."""
    return {port for taken in facts.storm.act.taken for port in parse_ports(taken.ports)}


def prove_no_source_address(facts: Facts) -> Match | None:
    """Match attempts for which the kernel has no source address towards the target."""
    attempts, error = facts.ended_as(Outcome.NO_PORT) & facts.of_this_host, facts.storm.act.source_error
    return Match(attempts, {"error": error}) if error and attempts.any() else None


def prove_port_reserved(facts: Facts) -> Match | None:
    """Match attempts whose port the kernel was to choose where every port of the range is reserved."""
    act, attempts = facts.storm.act, without_port(facts)
    if act.plan.ports.is_sweeping or act.ports or not act.reserved or not attempts.any():
        return None
    return Match(attempts, {"reserved": act.reserved})


def prove_port_taken(facts: Facts) -> Match | None:
    """Match attempts that found no port because sockets of others held it, or all of the range."""
    act, others = facts.storm.act, ports_of_others(facts)
    attempts = without_port(facts)
    if not act.plan.host or not others or not attempts.any():  # in a private network all sockets are our own
        return None
    if act.plan.ports.is_sweeping:
        attempts = attempts & np.isin(facts.attempts["local_port"], list(others))
        attempts &= ~is_port_still_taken(facts.storm)[facts.rows]
    elif len(others) < act.ports:
        return None
    owners = ", ".join(dict.fromkeys(taken.owner for taken in act.taken))
    return Match(attempts, {"others": len(others), "owners": owners}) if attempts.any() else None


def prove_port_exhausted(facts: Facts) -> Match | None:
    """Match attempts that found no port while the storm itself held those that nobody else did.

    Where the plan goes through the ports, an earlier attempt still has the port of this one; or, in a private network,
    an old connection of the laboratory has. Where the kernel chooses, it has searched the whole range.
    """
    act, attempts = facts.storm.act, without_port(facts)
    if not attempts.any():
        return None
    others = len(ports_of_others(facts))
    if act.plan.ports.is_sweeping:
        held_before = np.isin(facts.attempts["local_port"], [] if act.plan.host else list(ports_of_others(facts)))
        attempts = attempts & (held_before | is_port_still_taken(facts.storm)[facts.rows])
    else:
        held = count_ports_held(facts.storm, facts.rows[attempts])
        attempts = attempts.copy()
        attempts[attempts] = ((held > 0) | (not act.plan.host)) & (held + others >= act.ports * act.address.pairs)
    return Match(attempts, {"ports": act.ports, "others": others}) if attempts.any() else None


RULES = (
    Rule(
        name="no_source_address",
        cause=Cause.NO_SOURCE_ADDRESS,
        grade=Grade.KERNEL,
        needs="the kernel's answer, before and after the storm, when asked for a source address towards the target",
        equation="it has none, so that no port was searched",
        sentence="the kernel has no source address towards the target ({error})",
        prove=prove_no_source_address,
    ),
    Rule(
        name="port_reserved",
        cause=Cause.PORT_RESERVED,
        grade=Grade.COUNTED,
        needs="ip_local_reserved_ports and ip_local_port_range; a port that the kernel was to choose",
        equation="reserved ports = ports of the range",
        sentence="all {reserved:,} ports of the range are reserved",
        prove=prove_port_reserved,
    ),
    Rule(
        name="port_taken",
        cause=Cause.PORT_TAKEN,
        grade=Grade.COUNTED,
        needs="sockets of others on ports of the range, the same before and after the storm by their cookies",
        equation="they hold every port of the range, or the one that the plan asked for",
        sentence="sockets of others hold {others:,} ports of the range: {owners}",
        prove=prove_port_taken,
    ),
    Rule(
        name="port_exhausted",
        cause=Cause.PORT_EXHAUSTED,
        grade=Grade.COUNTED,
        needs="the attempts themselves: which ports they held when this one began; sockets of others on the range",
        equation="ports held by the storm + ports held by others >= ports of the range; or an earlier attempt still "
        "has the port that the plan asked for",
        sentence="no port was free: of the {ports:,} of the range others held {others:,}, and the storm the rest",
        prove=prove_port_exhausted,
    ),
)
