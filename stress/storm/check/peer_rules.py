# SPDX-License-Identifier: MIT
"""The rules for a storm across a link: what two hosts that others use too cannot have."""

from collections.abc import Iterator
from ipaddress import ip_address

from stress.model.mine import Laying
from stress.model.plan import EvidenceSource, Plan
from stress.model.world import CLIENT, Drop, Topology, World


def peer_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with a plan for two hosts across a link; nothing for other plans."""
    if not plan.world.is_across_link:
        return
    world = plan.world
    if not plan.host:
        yield "A storm across a link is one between hosts as they are, not in private namespaces; its plan says host."
    if plan.is_external:
        yield "A storm across a link is served by connstorm there; leave out --peer for a server of others."
    excluded = {
        "rules that translate addresses": world.translates,
        "queues on its links": bool(world.queues),
        "several --source addresses": plan.sources > 1,
        "mines on ports that the kernel chooses": plan.mines > 0 and plan.laying is Laying.CLIENTS,
        "a second client": bool(plan.fillers) or plan.mines_from != CLIENT,
    }
    for what in (what for what, wanted in excluded.items() if wanted):
        yield f"A storm across a link (--peer) cannot have {what}."
    if plan.clients:
        yield from several_clients_faults(plan)


def several_clients_faults(plan: Plan) -> Iterator[str]:
    """Yield what several clients on hosts of their own cannot have: what only one of the hosts could prove or do."""
    excluded = {
        "mines, which lie on the 4-tuples of one client": plan.mines > 0,
        "rules, routes or settings of single hosts": plan.world != World(topology=Topology.PEER),
        "a firewall that drops segments": plan.drop is not Drop.NOTHING,
        "a range that fills step by step": plan.probes > 0,
        "a capture": plan.capture,
        "the kernel's own word (--evidence kernel)": plan.evidence is EvidenceSource.KERNEL,
        "several workers on one host (--workers)": plan.workers != 1 + len(plan.clients),
    }
    for what in (what for what, wanted in excluded.items() if wanted):
        yield f"A storm of several clients (--peer more than once) cannot have {what}."
    if len({plan.source, plan.target, *plan.clients}) != 2 + len(plan.clients):
        yield "Each of several clients has an address of its own; name each host by one --peer."


def peer_address_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with the two addresses by themselves."""
    for option, text in (("--listen", plan.target), ("--source", plan.source)):
        try:
            address = ip_address(text)
        except ValueError:
            yield f"{option} {text!r} is not an IP address."
            continue
        if address.version != plan.family:
            yield f"{option} {text} is IPv{address.version}, but the storm is IPv{plan.family} (--family)."
        elif address.is_loopback or address.is_unspecified or address.is_multicast:
            yield f"{option} {text} is no address by which two hosts reach each other; give another."
        elif "%" in text or (address.version == 6 and address.is_link_local):
            yield f"{option} {text} needs the name of an interface; give another address."
