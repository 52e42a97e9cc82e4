# SPDX-License-Identifier: MIT
"""Layer: what a storm passes between client and server, as a suite names it, and the layer below. Imports no numpy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stress.model.cgroup import CgroupHook
from stress.model.errors import UsageError
from stress.model.link import LINK
from stress.model.mine import MineState
from stress.model.plan import Plan, Ports
from stress.model.protocol import Protocol
from stress.model.text import did_you_mean
from stress.model.world import ROUTER, SERVER, FilterRule, Hook, Topology, World, stranger

LAYER = "layer"  # an axis that is no field of a plan: it decides several
BLOCKED = "blocked"  # the name of a set of addresses, and of a rule
TIMESTAMPS, TW_BUCKETS = "net.ipv4.tcp_timestamps", "net.ipv4.tcp_max_tw_buckets"
Worlds = Callable[[int], World]  # the world of a storm of an address family


def joined_by(topology: Topology, *rules: FilterRule) -> Worlds:
    """Return the worlds of a topology with rules."""
    return lambda _: World(topology=topology, rules=list(rules))


def behind_rules(count: int) -> Worlds:
    """Return the worlds whose server looks at so many rules for each packet, of which none matches."""
    return joined_by(Topology.LINK, FilterRule(name=BLOCKED, hook=Hook.INPUT, match=STRANGER, action="", copies=count))


def behind_set(size: int) -> Worlds:
    """Return the worlds whose server looks for each packet's source among so many addresses, by one rule."""

    def world(family: int) -> World:
        members = ", ".join(stranger(family, number) for number in range(1, size + 1))
        rule = FilterRule(name=BLOCKED, hook=Hook.INPUT, match=f"{{ip}} saddr @{BLOCKED}", action="")
        definition = f"type {{address}}; elements = {{{{ {members} }}}};"
        return World(topology=Topology.LINK, rules=[rule], sets={BLOCKED: definition})

    return world


STRANGER = "{ip} saddr {stranger}"
ONE_HOST = joined_by(Topology.LOOPBACK)
TRACKED = FilterRule(name="tracked", hook=Hook.FORWARD, match="ct state invalid", action="", on=ROUTER)
MASQUERADE = FilterRule(
    name="masquerade",
    on=ROUTER,
    hook=Hook.POSTROUTING,
    nat=True,
    match=f'meta l4proto tcp oifname "{SERVER}"',
    action="masquerade",
)


@dataclass(frozen=True)
class Layer:
    """A layer.

    Attributes:
        name: as users write it.
        below: the name of the layer that its cost is measured against; empty for the lowest.
        text: what it adds to the one below, in words.
        world: its hosts and rules, by address family.
        fields: of a plan, with the values that it gives them.
    """

    name: str
    below: str
    text: str
    world: Worlds = ONE_HOST
    fields: Mapping[str, Any] = field(default_factory=dict)


def with_sysctls(**settings: str) -> dict[str, Any]:
    """Return the field of a plan for settings."""
    return {"sysctls": settings}


def with_bystanders(count: int, state: MineState) -> dict[str, Any]:
    """Return the fields of a plan for sockets of other connections, and for room for those in TIME_WAIT."""
    fields: dict[str, Any] = {"bystanders": count, "bystander_state": state}
    return fields | ({"sysctls": {TW_BUCKETS: str(2 * count)}} if state is MineState.TIME_WAIT else {})


LAYERS: dict[str, Layer] = {
    layer.name: layer
    for layer in (
        Layer("loopback", "", "client and server on one host; connect() chooses the port"),
        # the way
        Layer(
            "veth", "loopback", "a namespace for the server, joined by a pair of veth devices", joined_by(Topology.LINK)
        ),
        Layer(
            "bridge", "veth", "a second pair of veth devices, and a bridge between the two", joined_by(Topology.BRIDGE)
        ),
        Layer(
            "router", "veth", "a second pair of veth devices, and a router between the two", joined_by(Topology.ROUTER)
        ),
        Layer(
            "router-conntrack",
            "router",
            "connection tracking on the router, for one rule that asks for the state",
            joined_by(Topology.ROUTER, TRACKED),
        ),
        Layer(
            "masquerade",
            "router-conntrack",
            "the router's address in place of the client's",
            joined_by(Topology.ROUTER, TRACKED, MASQUERADE),
        ),
        # the server's firewall
        Layer("rules-1", "veth", "one nftables rule at the server, which looks at the source", behind_rules(1)),
        Layer("rules-10", "rules-1", "10 rules in place of one", behind_rules(10)),
        Layer("rules-100", "rules-10", "100 rules in place of 10", behind_rules(100)),
        Layer("rules-1000", "rules-100", "1,000 rules in place of 100", behind_rules(1000)),
        Layer("set-10", "rules-1", "the rule looks for the source in a set of 10", behind_set(10)),
        Layer("set-1000", "set-10", "a set of 1,000 in place of 10", behind_set(1000)),
        Layer(
            "conntrack",
            "rules-1",
            "connection tracking at the server, as the rule asks for the state in place of the source",
            joined_by(Topology.LINK, FilterRule(name="tracked", hook=Hook.INPUT, match="ct state invalid", action="")),
        ),
        # cgroups
        Layer(
            "cgroup-connect",
            "loopback",
            "BPF programs of a cgroup, called by socket() and connect()",
            fields={"cgroup": CgroupHook.CONNECT},
        ),
        Layer(
            "cgroup-packets",
            "loopback",
            "BPF programs of a cgroup, called for each packet that leaves a socket or arrives",
            fields={"cgroup": CgroupHook.PACKETS},
        ),
        # addresses and ports
        Layer("ipv6", "loopback", "IPv6 in place of IPv4", fields={"family": 6}),
        Layer(
            "bind-address",
            "loopback",
            "bind() of the source address alone (IP_BIND_ADDRESS_NO_PORT)",
            fields={"ports": Ports.NO_PORT},
        ),
        Layer(
            "port-range",
            "loopback",
            "a port range of the socket's own (IP_LOCAL_PORT_RANGE)",
            fields={"ports": Ports.RANGE},
        ),
        Layer("bind", "loopback", "bind() chooses the port", fields={"ports": Ports.BIND}),
        Layer("bind-port", "bind", "bind() of a port that the client chooses", fields={"ports": Ports.SHUFFLE}),
        # the listening sockets
        Layer("listeners-2", "loopback", "two sockets on the server's port (SO_REUSEPORT)", fields={"listeners": 2}),
        Layer("listeners-64", "listeners-2", "64 sockets in place of two", fields={"listeners": 64}),
        # the tables of sockets
        *(
            Layer(
                f"{state.lower()}-{short}",
                f"{state.lower()}-{before}" if before else "loopback",
                f"{count:,} other sockets in {state} in the kernel's tables",
                fields=with_bystanders(count, state),
            )
            for state in (MineState.TIME_WAIT, MineState.ESTABLISHED)
            for count, short, before in (
                (10_000, "10k", ""),
                (100_000, "100k", "10k"),
                (1_000_000, "1m", "100k"),
            )
            if (state, count) != (MineState.TIME_WAIT, 1_000_000)  # the first are over before the last are laid
        ),
        # the protocol
        Layer("mptcp", "loopback", "Multipath TCP", fields={"protocol": Protocol.MPTCP}),
        Layer("fast-open", "loopback", "TCP Fast Open: each SYN asks for a cookie", fields={"protocol": Protocol.TFO}),
        Layer("no-timestamps", "loopback", "no TCP timestamps", fields=with_sysctls(**{TIMESTAMPS: "0"})),
    )
}


def parse_layer(name: str) -> Layer:
    """Return the layer of a name.

    Raises:
        UsageError: there is none.
    """
    if name in LAYERS:
        return LAYERS[name]
    raise UsageError(f"There is no layer {name!r}; there are {', '.join(LAYERS)}.{did_you_mean(name, LAYERS)}")


def plan_with_layer(plan: Plan, layer: Layer) -> Plan:
    """Return a plan of one host, which may have a layer, with it; connect() chooses the port, if the layer does not."""
    fields = {"ports": Ports.KERNEL} | dict(layer.fields)
    plan = plan.with_family(fields.pop("family", plan.family))
    settings = plan.sysctls | fields.pop("sysctls", {})
    placed = msgspec.structs.replace(plan, **fields, sysctls=settings, world=layer.world(plan.family))
    if placed.world.topology is Topology.LOOPBACK:
        return placed
    source, target = placed.usual_addresses(plan.family)
    return msgspec.structs.replace(placed, source=source, target=target)


def layer_fault(plan: Plan, layer: Layer, axes: Mapping[str, object], usual: Plan) -> str | None:
    """Return a sentence when a plan cannot have a layer, or None.

    Args:
        plan: as the suite has it, before the layer is in it.
        layer: of its cell.
        axes: of its cell.
        usual: the plan of the scenario itself.
    """
    if plan.acts or plan.mines or plan.world != World() or plan.is_external:
        return (
            f"The scenario {plan.scenario} has acts, mines, hosts or a server of its own; a layer is put between "
            "client and server of a plain storm on one host, such as clean."
        )
    settings = layer.fields.get("sysctls", {})
    decided = {"ports", "world", LINK, *layer.fields, *settings} & axes.keys()
    if decided:
        return f"The layer {layer.name} decides {', '.join(sorted(decided))}, an axis of its own here; leave out one."
    given = [
        *(name for name in {"ports", *layer.fields} - {"sysctls"} if getattr(plan, name) != getattr(usual, name)),
        *(name for name in settings if plan.sysctls.get(name) != usual.sysctls.get(name)),
    ]
    if given:
        which = "A layer" if given == ["ports"] else f"The layer {layer.name}"  # all of them decide ports
        names = ", ".join(sorted(given))
        return f"{which} decides {names}, which this file sets for {plan.scenario} as well; leave out one."
    return None
