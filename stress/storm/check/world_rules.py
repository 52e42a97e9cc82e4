# SPDX-License-Identifier: MIT
"""The rules for the world of a plan: its hosts, their firewalls, routes and queues."""

import re
from collections.abc import Iterator
from ipaddress import ip_network

from stress.model.plan import Plan
from stress.model.world import ADDRESSES, Drop, FilterRule, Queue, Route, Topology, World
from stress.storm.check.peer_rules import peer_faults

NAME = re.compile(r"[a-z0-9_-]{1,40}")
REFUSING_KINDS = ("unreachable", "prohibit", "blackhole", "throw")
ROUTE_KINDS = (*REFUSING_KINDS, "unicast", "local")
QUEUE_KINDS = ("netem", "tbf")
COPIES_MAX = 10_000  # of a rule


def world_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with the world of a plan."""
    world = plan.world
    if world == World():
        return
    if plan.world.is_across_link:
        yield from peer_faults(plan)
    elif plan.host:
        yield f"{plan.scenario} makes hosts, rules or routes, in private namespaces only; leave out --host."
    yield from part_faults(world)
    if plan.witness:
        yield f"{plan.scenario} has several hosts, and socket pairs are sampled on one; leave witness out."
    if world.topology in (Topology.LOOPBACK, Topology.PEER):
        return
    source, target = plan.usual_addresses(plan.family)
    sources = 2 if world.topology is Topology.TWO_CLIENTS else 1
    if (plan.source, plan.target) != (source, target) or not 1 <= plan.sources <= sources:
        yield f"{plan.scenario} runs between hosts of its own, {source} and {target}; leave out --source and --listen."
    if plan.drop is not Drop.NOTHING:
        yield f"{plan.scenario} has hosts with rules of their own; leave out --drop."
    if plan.has_two_clients and not (plan.workers == plan.sources and plan.ports.is_sweeping):
        yield f"{plan.scenario} storms from two clients in step: with --workers 2 and --ports sweep or shuffle."


def part_faults(world: World) -> Iterator[str]:
    """Yield what is wrong with rules, sets, routes, queues and settings."""
    hosts = world.topology.hosts
    parts: tuple[FilterRule | Route | Queue, ...] = (*world.rules, *world.routes, *world.queues)
    for name in dict.fromkeys((*(part.on for part in parts), *world.sysctls, *world.silent)):
        if world.host(name) not in hosts:
            yield f"There is no host {name!r} in the topology {world.topology}; there are {', '.join(hosts)}."
    names = [rule.name for rule in world.rules]
    for name in (*names, *world.sets):
        if not NAME.fullmatch(name):
            yield f"{name!r} is no name for a rule or a set; use small letters, digits and hyphens."
    if len(set(names)) != len(names):
        yield f"Two rules have one name; there are {', '.join(names)}."
    yield from copies_faults(world)
    for route in world.routes:
        if route.kind not in ROUTE_KINDS:
            yield f"{route.kind!r} is no kind of route; there are {', '.join(ROUTE_KINDS)}."
        if (route.through is None) is not (route.kind in REFUSING_KINDS):
            yield f"A route of kind {route.kind} leads through {'a' if route.through is None else 'no'} device."
        if route.to not in ADDRESSES[4] and not is_network(route.to):
            yield f"{route.to!r} is neither a host nor a network such as 198.18.0.0/24."
    for queue in world.queues:
        if queue.kind not in QUEUE_KINDS:
            yield f"{queue.kind!r} is no kind of queue; there are {', '.join(QUEUE_KINDS)}."


def copies_faults(world: World) -> Iterator[str]:
    """Yield what is wrong with the numbers of rules that are alike."""
    for rule in world.rules:
        if not 1 <= rule.copies <= COPIES_MAX:
            yield f"A rule may be from 1 to {COPIES_MAX:,} alike, not {rule.copies:,}."


def is_network(text: str) -> bool:
    """Return whether a text is a network address."""
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def looks_at_sources(world: World) -> bool:
    """Return whether a host of a world drops packets because of their source address."""
    filters = any(name.endswith(".rp_filter") for settings in world.sysctls.values() for name in settings)
    return filters or any(route.kind == "local" for route in world.routes)


def turns_ipv6_off(world: World) -> bool:
    """Return whether a host of a world has no IPv6."""
    return any(name.endswith(".disable_ipv6") for settings in world.sysctls.values() for name in settings)
