# SPDX-License-Identifier: MIT
"""Link: what is between the client and the server of a storm, as a suite names it. Imports no numpy."""

import re
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

import msgspec

from stress.model.errors import UsageError
from stress.model.plan import Plan
from stress.model.text import did_you_mean
from stress.model.world import Topology

LINK = "link"  # an axis that is no field of a plan: it decides topology, addresses and peers
PEER_PREFIX = "peer:"
# No ssh(1) takes what begins with a hyphen for a host; after a slash comes the address to storm.
PEER_TEXT = re.compile(r"peer:(?P<name>[^\s/,;'\"\\-][^\s/,;'\"\\]*)(?:/(?P<address>[0-9a-fA-F.:]+))?")


class LinkKind(StrEnum):
    """What is between client and server."""

    LOOPBACK = "loopback"  # both are one host
    VETH = "veth"  # two namespaces, joined by a pair of veth devices
    PEER = "peer"  # a real link: the server is another machine


@dataclass(frozen=True)
class Link:
    """A link.

    Attributes:
        kind: what it is.
        peer: the name of the other machine, where there is one.
        address: of that machine, to be stormed; empty: the one by which ssh reaches it.
    """

    kind: LinkKind
    peer: str = ""
    address: str = ""


def parse_link(text: str) -> Link:
    """Return the link of ``loopback``, ``veth``, ``peer:NAME`` or ``peer:NAME/ADDRESS``.

    Raises:
        UsageError: it is none of these.
    """
    if text in (LinkKind.LOOPBACK, LinkKind.VETH):
        return Link(LinkKind(text))
    if match := PEER_TEXT.fullmatch(text):
        address = match["address"] or ""
        with suppress(ValueError):
            return Link(LinkKind.PEER, match["name"], str(ip_address(address)) if address else "")
    close = did_you_mean(text, [LinkKind.LOOPBACK, LinkKind.VETH])
    raise UsageError(f"{LINK} must be loopback, veth or peer:NAME, the name of a host for ssh, not {text!r}.{close}")


def link_text(plan: Plan) -> str:
    """Return what is between the client and the server of a plan, as a suite names it, or its topology."""
    topology = plan.world.topology
    if topology is Topology.LINK:
        return LinkKind.VETH
    return f"{PEER_PREFIX}{', '.join(plan.peers)}" if topology is Topology.PEER else topology.value


def plan_across_veth(plan: Plan) -> Plan:
    """Return a plan for two hosts, joined by a pair of veth devices, in place of one.

    Usual addresses of one host become those of the two; what else is wrong then, the rules for plans say.
    """
    if plan.world.topology is Topology.LINK:
        return plan
    linked = msgspec.structs.replace(
        plan,
        world=msgspec.structs.replace(plan.world, topology=Topology.LINK),
        acts={name: act_across_veth(changes) for name, changes in plan.acts.items()},
    )
    source, target = (
        new if own == usual else own
        for own, usual, new in zip(
            (plan.source, plan.target),
            plan.usual_addresses(plan.family),
            linked.usual_addresses(plan.family),
            strict=True,
        )
    )
    return msgspec.structs.replace(linked, source=source, target=target)


def act_across_veth(changes: dict[str, Any]) -> dict[str, Any]:
    """Return what an act changes of a plan, for two hosts; its world is a dictionary there."""
    if "world" not in changes:
        return changes
    return changes | {"world": changes["world"] | {"topology": Topology.LINK.value}}
