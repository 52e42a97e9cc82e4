# SPDX-License-Identifier: MIT
"""The link between client and server of a suite's cell: what it makes of the plan, and what is wrong with that."""

from collections.abc import Iterator

import msgspec

from stress.model.link import Link, LinkKind, plan_across_veth
from stress.model.plan import Plan
from stress.model.world import ADDRESSES
from stress.run.peer.plan import OPEN, OPEN_BY_FAMILY, across_to, with_addresses
from stress.storm.check import plan_rules
from stress.storm.external_server import external_faults


def plan_across_link(plan: Plan, link: Link) -> Plan:
    """Return a plan with a link that its scenario may have between client and server."""
    if link.kind is LinkKind.PEER:
        return plan_across_to(plan, link)
    return plan_across_veth(plan) if link.kind is LinkKind.VETH else plan


def plan_across_to(plan: Plan, link: Link) -> Plan:
    """Return a plan for a storm against another machine, of the same family, from and to the addresses that it gives.

    Its usual addresses become open ones, which follow when the other machine has been reached.
    """
    usual_source, usual_target = plan.usual_addresses(plan.family)
    target = OPEN_BY_FAMILY[plan.family] if plan.target == usual_target else plan.target
    return msgspec.structs.replace(
        across_to(plan, link.peer),
        source=OPEN if plan.source == usual_source else plan.source,
        target=link.address or target,
    )


def plan_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with the plan of a cell, whatever its open addresses will be."""
    if plan.is_external:  # of a server of an arm
        yield from external_faults(plan)
        return
    yield from plan_rules.plan_faults(with_addresses(plan, *ADDRESSES[plan.family].values()) if plan.peers else plan)
