# SPDX-License-Identifier: MIT
"""A scenario of the catalogue across a link: the same storm where client and server are hosts of their own.

Rules there are for the storm's addresses and ports alone, for others use these hosts too.
"""

from typing import Any

import msgspec

from stress.lab.rule_set import SERVER_BITS
from stress.model.errors import UsageError
from stress.model.mine import Release
from stress.model.plan import Plan
from stress.model.world import CLIENT, ROUTER, SERVER, Drop, FilterRule, Hook, Segment, Topology, World

# Why a scenario has no sense or no place across a link.
A_ROUTER = "it needs a router between client and server that is connstorm's own"
ITS_OWN_LINK = "a link between real hosts delays and loses packets by itself, and its queues are everybody's"
CHOSEN_PORTS = "its old sockets lie on ports that the kernel chooses"
NOT_ACROSS = {
    "article": CHOSEN_PORTS,
    "translator": CHOSEN_PORTS,
    "syn-queue": "it needs a second client that answers nobody",
    "conntrack-table": "it would let the server's host track no more than 100 connections of everybody",
    "no-source": "it turns IPv6 off on the client's host, which then forgets its addresses",
    "self-connect": "a client connects to itself on the server's own host only",
    "rp-filter": A_ROUTER,
    "martian": A_ROUTER,
    "time-wait-nat": A_ROUTER,
    "snat-race": A_ROUTER,
    "snat-exhausted": A_ROUTER,
    "link": ITS_OWN_LINK,
    "slow-link": ITS_OWN_LINK,
}
AT_A_ROUTER = {"policy": ["at router"], "rejected": ["a router that prohibits"]}  # acts that the others make up for
# Mines lie a second longer until their clients' ports are free (TCP_LINGER2), in which keepalive must not clear them.
OTHERWISE: dict[str, dict[str, dict[str, Any]]] = {
    "keepalive-cure": {
        "without keepalive": {"rest_s": 9.0},
        "with keepalive": {"keepalive_s": 5, "rest_s": 9.0},
    }
}  # by scenario and act: what differs across a link
DROPS = {  # for each Drop the host of its rules, the hooks, and the match
    Drop.RST: (SERVER, (Hook.INPUT,), "tcp dport {port} tcp flags & rst == rst"),
    Drop.CHALLENGE: (CLIENT, (Hook.INPUT,), "tcp sport {port} tcp flags & (fin | syn | rst | ack) == ack"),
    Drop.INVALID: (SERVER, (Hook.INPUT, Hook.OUTPUT), "ct state invalid"),
}
# nft 1.0.6 has no name for the target of a neighbour solicitation (RFC 4861, section 4.3).
SOLICITED = f"icmpv6 type nd-neighbor-solicit @th,64,128 {{{SERVER_BITS}}}"


def across_link(plan: Plan) -> Plan:
    """Return a scenario's plan for two hosts; what a user asks for is set in it afterwards.

    Raises:
        UsageError: the scenario has no sense or no place there.
    """
    if reason := NOT_ACROSS.get(plan.scenario):
        raise UsageError(f"{plan.scenario} does not run across a link, because {reason}; leave out --peer.")
    left_out, otherwise = AT_A_ROUTER.get(plan.scenario, []), OTHERWISE.get(plan.scenario, {})
    return msgspec.structs.replace(
        plan,
        host=True,
        witness=False,  # the two sockets of a pair are on two hosts
        release=Release.LINGER2 if plan.mines and plan.release is not Release.KEEP else plan.release,
        world=world_across(plan.world),
        acts={
            name: act_across(changes | otherwise.get(name, {}))
            for name, changes in plan.acts.items()
            if name not in left_out
        },
    )


def act_across(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes of an act across a link."""
    if "world" not in changes:
        return changes
    world = world_across(msgspec.convert(changes["world"], World))
    return changes | {"world": msgspec.to_builtins(world)}


def world_across(world: World) -> World:
    """Return a world of two hosts that has the rules, routes and settings of another one."""
    return msgspec.structs.replace(
        world, topology=Topology.PEER, rules=[narrow_rule(from_router(rule)) for rule in world.rules]
    )


def from_router(rule: FilterRule) -> FilterRule:
    """Return a rule of a router for the server's host, where SYNs come in and SYN-ACKs go out."""
    if rule.on != ROUTER:
        return rule
    return msgspec.structs.replace(rule, on=SERVER, hook=Hook.OUTPUT if rule.stops is Segment.SYN_ACK else Hook.INPUT)


def narrow_rule(rule: FilterRule) -> FilterRule:
    """Return a rule for packets between the storm's addresses and ports alone."""
    if rule.match.startswith("icmpv6 type nd-neighbor-solicit"):
        return msgspec.structs.replace(rule, match=SOLICITED)
    goes_out = rule.hook in (Hook.OUTPUT, Hook.POSTROUTING)
    to_server = (rule.on == CLIENT) is goes_out
    near, far, port = (CLIENT, SERVER, "tcp dport") if to_server else (SERVER, CLIENT, "tcp sport")
    narrow = f"{{ip}} saddr {{{near}}} {{ip}} daddr {{{far}}}"
    if "{port}" not in rule.match:
        narrow += f" {port} {{port}}"
    return msgspec.structs.replace(rule, match=f"{narrow} {rule.match}".rstrip())


def drop_rules(drop: Drop) -> list[FilterRule]:
    """Return the rules of nftables for what a firewall between the two hosts drops."""
    if drop is Drop.NOTHING:
        return []
    on, hooks, match = DROPS[drop]
    return [narrow_rule(FilterRule(name=drop, hook=hook, match=match, on=on)) for hook in hooks]
