# SPDX-License-Identifier: MIT
"""The network of a world: a namespace for each host, joined by pairs of veth devices."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from stress.lab import device, link_queue, namespace, sysctl
from stress.lab.network_namespace import HERE
from stress.model.errors import LabError
from stress.model.world import ADDRESSES, BRIDGE, CLIENT, GATEWAYS, ROUTER, SERVER, Route, Topology, World

if TYPE_CHECKING:
    from pyroute2 import IPRoute

BITS = {4: 32, 6: 128}
ARP_IGNORE = "net.ipv4.conf.all.arp_ignore"
FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
NO_DETECTION = 0x02  # IFA_F_NODAD of linux/if_addr.h; IPv4 has no use for it
SCOPE_LINK, SCOPE_HOST = 253, 254  # linux/rtnetlink.h


class Network:
    """The hosts of a world. A context manager; the kernel removes the hosts when it ends and nothing runs in them.

    The calling thread is in the client's namespace, except within ``inside``.

    Attributes:
        here: the host that the calling thread is in.
    """

    def __init__(self, world: World, family: int, here: str = CLIENT) -> None:
        """Make the hosts and their links; the namespace of the calling thread, which must be new, is the client.

        Across a link nothing is made: the namespace is that of the host ``here``, as it is.

        Raises:
            LabError: the kernel refuses one more namespace.
            NotApplicableError: this kernel has no such device.
        """
        self.world = world
        self.family = family
        self.descriptors: dict[str, int] = {}
        self.here = here
        if world.topology is Topology.PEER:
            return
        with ExitStack() as stack:
            stack.callback(self.close)
            if world.topology is not Topology.LOOPBACK:
                self.make_hosts()
                if world.topology is Topology.BRIDGE:
                    self.join_by_bridge(CLIENT, SERVER)
                for near, far in links_of(world.topology):
                    self.join_hosts(near, far)
            for route in world.routes:
                with self.inside(route.on), open_route() as netlink:
                    self.add_route(netlink, route)
            stack.pop_all()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of the hosts on this machine, the client first."""
        return (self.here,) if self.world.topology is Topology.PEER else self.world.topology.hosts

    @contextmanager
    def inside(self, host: str) -> Iterator[None]:
        """Let the calling thread, and what it starts meanwhile, be in a host.

        Raises:
            LabError: the kernel refuses.
        """
        before, name = self.here, self.world.host(host)
        if name == before:
            yield
            return
        self.enter(name)
        try:
            yield
        finally:
            self.enter(before)

    def enter(self, name: str) -> None:
        """Move the calling thread to a host."""
        if failure := namespace.enter_network(self.descriptors[name]):
            raise LabError(f"This kernel refuses to enter the network of the host {name}: {os.strerror(failure)}.")
        self.here = name

    def make_hosts(self) -> None:
        """Make a namespace for each host but the client, and return to the client's."""
        self.descriptors[CLIENT] = os.open(HERE, os.O_RDONLY)
        for name in self.hosts[1:]:
            namespace.enter_new_network()
            self.descriptors[name] = os.open(HERE, os.O_RDONLY)
        if ROUTER in self.hosts:
            self.enter(ROUTER)
            sysctl.write(FORWARDING[self.family], "1")
        self.enter(CLIENT)

    def join_hosts(self, near: str, far: str) -> None:
        """Join a host to its gateway, or two hosts to each other: devices that have the other's name.

        Each has its one address on a device of its own, and a route to that of its neighbour; everything else goes by
        way of the gateway.
        """
        self.enter(far)
        with open_route() as netlink:
            device.add_pair(netlink, far, near, self.descriptors[near])
            self.configure_device(netlink, far, near)
        self.enter(near)
        with open_route() as netlink:
            index = self.configure_device(netlink, near, far)
            if far == ROUTER:
                neighbour = self.own_address(far, near)
                netlink.route("add", dst="default", gateway=neighbour, oif=index, family=self.domain)
        self.enter(CLIENT)

    def join_by_bridge(self, one: str, other: str) -> None:
        """Join two hosts to a bridge in a namespace of its own; each has its device as if they were joined directly."""
        namespace.enter_new_network()
        self.descriptors[BRIDGE] = os.open(HERE, os.O_RDONLY)
        with open_route() as netlink:
            index = device.add_bridge(netlink)
            device.add_port(netlink, index, one, other, self.descriptors[one])
            device.add_port(netlink, index, other, one, self.descriptors[other])
        for host, neighbour in ((one, other), (other, one)):
            self.enter(host)
            with open_route() as netlink:
                self.configure_device(netlink, host, neighbour)
        self.enter(CLIENT)

    def configure_device(self, netlink: "IPRoute", host: str, neighbour: str) -> int:
        """Give a host's device towards a neighbour its address and the route, and set it up; return its index.

        The neighbour's hardware address is known for good: while one is asked for, SYNs wait, and then come in bursts.
        """
        own, other = self.own_address(host, neighbour), self.own_address(neighbour, host)
        (index,) = netlink.link_lookup(ifname=neighbour)
        netlink.link("set", index=index, state="up")
        # Without duplicate address detection an address can be used at once.
        netlink.addr("add", index=index, address=own, prefixlen=BITS[self.family], flags=NO_DETECTION)
        netlink.route("add", dst=self.with_length(other), oif=index, family=self.domain, scope=self.link_scope)
        if neighbour not in self.world.silent:
            known = device.hardware_address(neighbour, host)
            netlink.neigh("add", dst=other, lladdr=known, ifindex=index, family=self.domain, state="permanent")
        if host in self.world.silent:
            sysctl.write(ARP_IGNORE, "8")  # for all local addresses
        return int(index)

    def address(self, host: str) -> str:
        """Return a host's address."""
        return ADDRESSES[self.family][host]

    def own_address(self, host: str, towards: str) -> str:
        """Return the address that a host has on its link to another: the router has another one for clients."""
        return GATEWAYS[self.family] if host == ROUTER and towards != SERVER else self.address(host)

    def with_length(self, address: str) -> str:
        """Return an address as the network of itself alone."""
        return f"{address}/{BITS[self.family]}"

    @property
    def domain(self) -> int:
        """The address family's number."""
        return socket.AF_INET if self.family == 4 else socket.AF_INET6

    @property
    def link_scope(self) -> int:
        """The scope of a route to a neighbour; IPv6 has one scope only."""
        return SCOPE_LINK if self.family == 4 else 0

    def add_route(self, netlink: "IPRoute", route: Route) -> None:
        """Add a route of the world."""
        known = ADDRESSES[self.family]
        destination = self.with_length(known[route.to]) if route.to in known else route.to
        more = {} if route.through is None else {"oif": netlink.link_lookup(ifname=route.through)[0]}
        if route.kind == "local":
            more["scope"] = SCOPE_HOST
        netlink.route("replace", dst=destination, type=route.kind, family=self.domain, **more)

    def add_queues(self) -> None:
        """Add the queues of the world.

        Raises:
            NotApplicableError: this kernel does not have such a queue.
        """
        for queue in self.world.queues:
            with self.inside(queue.on), open_route() as netlink:
                link_queue.add_queue(netlink, queue)

    def queue_drops(self, host: str) -> dict[str, int]:
        """Return how many packets each queue of a host has dropped so far, by its kind and host."""
        counts = {}
        for queue in self.world.queues:
            if self.world.host(queue.on) == host:
                with self.inside(host), open_route() as netlink:
                    counts[f"{queue.kind} {host}"] = link_queue.count_dropped(netlink, queue.kind)
        return counts

    def has_queued(self) -> bool:
        """Return whether packets wait in a queueing discipline of any host now."""
        for host in self.hosts:
            with self.inside(host), open_route() as netlink:
                if link_queue.count_waiting(netlink):
                    return True
        return False

    def close(self) -> None:
        """Forget the hosts; the calling thread stays in the client's."""
        for descriptor in self.descriptors.values():
            os.close(descriptor)
        self.descriptors.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def links_of(topology: Topology) -> list[tuple[str, str]]:
    """Return the links between hosts: pairs of a host and its gateway, or of two hosts; a bridge has its own."""
    if topology is Topology.BRIDGE:
        return []
    if topology is Topology.LINK:
        return [(CLIENT, SERVER)]
    return [(name, ROUTER) for name in topology.hosts if name != ROUTER]


def open_route() -> "IPRoute":
    """Return a netlink socket of the calling thread's namespace."""
    from pyroute2 import IPRoute  # noqa: PLC0415  # 0.3 s, and its threads must not start before unshare()

    return IPRoute()
