# SPDX-License-Identifier: MIT
"""A world in words: its hosts, what is wrong with them, and how to look."""

from collections.abc import Iterator

from stress.lab.rule_set import placeholders
from stress.model.plan import Plan
from stress.model.world import ADDRESSES, GATEWAYS, ROUTER, Drop, Topology

HINTS = "ss -tan, ip route, nft list ruleset, nstat -az, tcpdump -ni any"


def describe_world(plan: Plan, host: str) -> Iterator[str]:
    """Yield lines that say what there is around a host.

    Args:
        plan: of one storm.
        host: where the reader is.
    """
    world = plan.world
    first, last = plan.server_ports[0], plan.server_ports[-1]
    serves = f"port {first}" if first == last else f"ports {first}-{last}"
    if world.topology is Topology.LOOPBACK:
        yield f"{plan.scenario}: client and server are this one host; the server listens at {plan.target}, {serves}."
    else:
        hosts = [f"{name} {' and '.join(list_addresses(plan, name))}" for name in world.topology.hosts]
        yield f"{plan.scenario}: this is the host {host} of {', '.join(hosts)}; the server listens at {serves}."
    if parts := list(describe_parts(plan, host)):
        yield "; ".join(parts)
    yield f"Try {HINTS}. Everything here ends with this shell (exit or Ctrl-D)."


def list_addresses(plan: Plan, host: str) -> list[str]:
    """Return the addresses of a host of a world with several; a router has one for clients and one for the server."""
    own = [ADDRESSES[plan.family][host]]
    return [GATEWAYS[plan.family], *own] if host == ROUTER else own


def describe_parts(plan: Plan, host: str) -> Iterator[str]:
    """Yield what is set up besides the hosts: settings of this host, mines, rules, routes and queues of all."""
    world = plan.world
    settings = plan.sysctls | world.sysctls.get(host, {})
    if settings:
        yield f"settings here: {', '.join(f'{name}={value}' for name, value in settings.items())}"
    if plan.mines:
        yield f"{plan.mines:,} mines"
    if plan.bystanders:
        yield f"{plan.bystanders:,} bystanders in {plan.bystander_state}"
    if plan.drop is not Drop.NOTHING:
        yield f"a firewall against {plan.drop}"
    words = placeholders(plan)
    for rule in world.rules:
        text = f"{rule.match} {rule.action}".strip().format_map(words)
        yield f"rule {rule.name} on {world.host(rule.on)}, {rule.hook}: {text}"
    for route in world.routes:
        yield f"route on {world.host(route.on)}: {route.kind} {route.to}"
    for queue in world.queues:
        options = " ".join(f"{name} {value}" for name, value in queue.options.items())
        yield f"queue on {world.host(queue.on)}: {queue.kind} {options}"
