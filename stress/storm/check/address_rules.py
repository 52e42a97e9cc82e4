# SPDX-License-Identifier: MIT
"""The rules for the space of a plan's 4-tuples: addresses, ports, and the workers that share them."""

from collections.abc import Iterator
from ipaddress import IPv4Network, ip_address

from stress._listener import PORTS_MAX
from stress.model.mine import Laying
from stress.model.plan import Close, Plan, Ports
from stress.model.world import Topology
from stress.storm.check.peer_rules import peer_address_faults

PORT_MAX = 65535
LOOPBACK = IPv4Network("127.0.0.0/8")
ADDRESSES_MAX = 1 << 16  # attempts number them in 16 bits


def addresses_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with each address by itself."""
    if plan.world.is_across_link:
        yield from peer_address_faults(plan)
    if plan.world.topology is not Topology.LOOPBACK:  # addresses of its own: see world_faults()
        return
    if plan.is_external:  # the kernel is asked, in the process that storms: settle_target()
        return
    yield from address_faults("--listen", plan.target, plan.family)
    yield from address_faults("--source", plan.source, plan.family)


def address_faults(option: str, text: str, family: int) -> Iterator[str]:
    """Yield what is wrong with an address: a storm stays on the loopback of this machine."""
    try:
        address = ip_address(text)
    except ValueError:
        yield f"{option} {text!r} is not an IP address."
        return
    if address.version != family:
        yield f"{option} {text} is IPv{address.version}, but the storm is IPv{family} (--family)."
    elif "%" in text:
        yield f"{option} {text} names an interface; give the address alone."
    elif not address.is_loopback:
        yield (
            f"{option} {text} is not this machine; a storm goes to its loopback only "
            f"({'127.0.0.0/8' if family == 4 else '::1'})."
        )


def source_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with several source addresses."""
    if not 1 <= plan.sources <= ADDRESSES_MAX:
        yield f"--source may be a range of 1 to {ADDRESSES_MAX:,} addresses, not of {plan.sources:,}."
    elif plan.sources > 1:
        last = int(ip_address(plan.source)) + plan.sources - 1
        is_loopback = plan.family == 4 and last <= int(LOOPBACK.broadcast_address)
        if plan.world.topology is Topology.LOOPBACK and not is_loopback:
            yield "--source may be a range of IPv4 addresses within 127.0.0.0/8 only; of IPv6 loopback there is one."
        if plan.ports is Ports.KERNEL:
            yield "Several --source addresses need a bind(); use --ports no-port, range, bind, sweep or shuffle."


def space_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with a space of several addresses or ports, or with several workers."""
    yield from source_faults(plan)
    if not 1 <= plan.target_ports <= PORTS_MAX:
        yield f"--listen-port may be a range of {PORTS_MAX} ports at most, not of {plan.target_ports:,}."
    elif plan.target_port <= PORT_MAX < plan.target_port + plan.target_ports - 1:
        yield f"--listen-port {plan.target_port}-{plan.target_port + plan.target_ports - 1} goes beyond {PORT_MAX}."
    if plan.sources <= ADDRESSES_MAX < plan.addresses:
        yield f"{plan.addresses:,} pairs of --source and --listen-port are more than {ADDRESSES_MAX:,}; give fewer."
    single_pair = {
        "--capture": plan.capture and (plan.world.topology is Topology.LOOPBACK or plan.target_ports > 1),
        "a scenario that samples socket pairs": plan.witness,
        "a scenario that fills its range step by step": plan.probes > 0,
        "mines on ports that clients get": plan.mines > 0 and plan.laying is Laying.CLIENTS,
    }
    if plan.addresses > 1:
        for what in (name for name, wanted in single_pair.items() if wanted):
            yield f"{what[0].upper()}{what[1:]} follows one source address and one port; give one of each."
    if plan.workers > 1 and plan.probes:
        yield "A scenario that fills its range step by step needs one worker; leave out --workers."
    if plan.close is Close.DISCONNECT:
        if plan.sources > 1:
            yield "--close disconnect uses its socket again, which has one source address; give one --source."
        if plan.ports is Ports.BIND:
            yield (
                "--close disconnect uses its socket again, which bind() gives one port; use --ports kernel or no-port."
            )
