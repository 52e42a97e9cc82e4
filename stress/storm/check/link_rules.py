# SPDX-License-Identifier: MIT
"""The rules for what may be between the client and the server of a scenario."""

from stress.model.link import Link, LinkKind
from stress.model.plan import Plan
from stress.model.world import Drop, Topology
from stress.storm.catalogue import SCENARIOS
from stress.storm.peer.link_plan import NOT_ACROSS


def link_fault(plan: Plan, link: Link) -> str | None:
    """Return a sentence when the client and the server of a scenario cannot be joined by a link, or None.

    Args:
        plan: as the scenario has it, before the link is in it.
        link: between its client and its server.
    """
    who = f"The scenario {plan.scenario}"
    if link.kind is LinkKind.PEER:
        reason = NOT_ACROSS.get(plan.scenario)
        return f"{who} does not run across a link to another host, because {reason}." if reason else None
    own = {act.world.topology for act in plan.storms().values()}
    if own - {Topology.LOOPBACK, Topology.LINK}:
        return f"{who} has a router between its hosts, which decides what is measured; leave out link."
    if link.kind is LinkKind.LOOPBACK:
        if Topology.LINK in own:
            return f"{who} is of two hosts, which the loopback joins to none; its link is veth or peer:NAME."
        return None
    reason = one_host_reason(plan)
    return f"{who} {reason}; its link is loopback alone." if reason else None


def one_host_reason(plan: Plan) -> str | None:
    """Return why a scenario needs its client and its server on one host, or None."""
    if any(act.drop is not Drop.NOTHING for act in plan.storms().values()):
        return "drops segments between the sockets of one host"
    if plan.witness:
        return "samples both ends of connections on one host"
    if plan.scenario in SCENARIOS and SCENARIOS[plan.scenario].on_one_host:
        return "is of what happens within one host alone"
    return None
