# SPDX-License-Identifier: MIT
"""Plan: all parameters of a run, as one immutable value."""

import hashlib
from enum import StrEnum
from typing import Any, Literal

import msgspec

from stress.model.cgroup import CgroupHook
from stress.model.mine import Isn, Laying, MineState, Release
from stress.model.protocol import Protocol
from stress.model.world import ADDRESSES, CLIENT, CLIENT2, SERVER, Drop, Firewall, Topology, World

IDENTITY_DIGITS = 12
EXTERNAL_SCENARIO = "visit"  # a storm against the server of others
CAPTURE_SCENARIO = "capture"  # no storm: read from capture files
LOOPBACK = {4: "127.0.0.1", 6: "::1"}  # by family
LATER_FIELDS = (  # added after 1.0: left out of the identity where they have their default
    *("evidence", "world", "mine_state", "mines_from", "fillers", "protocol", "use", "listeners", "stuck"),
    *("stuck_until_s", "until_slow", "peers", "clients", "bystanders", "bystander_state", "cgroup"),
)


class Ports(StrEnum):
    """How the source port of an attempt is chosen."""

    KERNEL = "kernel"  # connect() chooses
    NO_PORT = "no-port"  # connect() chooses, after bind() of the source with IP_BIND_ADDRESS_NO_PORT
    RANGE = "range"  # connect() chooses within IP_LOCAL_PORT_RANGE, odd and even ports equally since Linux 6.8
    BIND = "bind"  # bind() to port 0 chooses
    SWEEP = "sweep"  # every port of the range in turn
    SHUFFLE = "shuffle"  # every port of the range once per sweep, in an order drawn from the seed

    @property
    def is_sweeping(self) -> bool:
        """Whether the plan, not the kernel, goes through the port range."""
        return self in (Ports.SWEEP, Ports.SHUFFLE)


class Close(StrEnum):
    """How a connected socket is closed."""

    FIN = "fin"  # close(): FIN, then FIN_WAIT_2 or TIME_WAIT on the client
    RST = "rst"  # close() with SO_LINGER 0: RST, the port is free at once
    DISCONNECT = "disconnect"  # connect() to AF_UNSPEC: RST, the port is free at once, the socket is reused
    HOLD = "hold"  # left open until the storm is over

    @property
    def sends_rst(self) -> bool:
        """Whether closing sends an RST."""
        return self in (Close.RST, Close.DISCONNECT)


class Serve(StrEnum):
    """What the server does with the connections of a storm."""

    CLOSE = "close"  # accept(), then close()
    LEAK = "leak"  # accept(), then neither read() nor close()
    NOBODY = "nobody"  # nobody calls accept()
    ABSENT = "absent"  # nobody listens


class EvidenceSource(StrEnum):
    """Where the proof of causes comes from."""

    NONE = "none"  # nothing but the attempts is recorded
    COUNTS = "counts"  # counters and lists of sockets, read before and after the storm
    KERNEL = "kernel"  # these, and every packet that the kernel drops or resets, with its reason
    PACKETS = "packets"  # the packets of capture files, and nothing else


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of a run. ``stress.storm.check.plan_rules`` checks which values can be combined.

    Attributes:
        scenario: name in the catalogue.
        attempts: number of connect() calls; None when ``sweeps`` or ``duration_s`` decides.
        sweeps: passes over the whole port range, for the sweeping port policies.
        duration_s: length of the storm: no attempt starts later than this after the first.
        rate_per_s: intended starts per second; None starts attempts as fast as the window allows.
        warmup: how many of the first attempts are marked as warm-up.
        probes: attempts that measure each hundredth of the range's upper half; with 0, or before Linux 6.3, all do.
        mines: old sockets of the server to lay before the storm.
        mine_state: their state.
        mines_from: the host that makes their connections: client or client2.
        release: how the mines' client ports become free.
        rest_s: pause between the minefield and the storm.
        bystanders: sockets laid before the storm that it does not meet, of connections to further ports of the server.
        bystander_state: theirs: TIME-WAIT, at the client, or ESTABLISHED, at the server.
        linger2_s: TCP_LINGER2 of the storm's sockets; 0 leaves it to net.ipv4.tcp_fin_timeout.
        protocol: what the storm's sockets speak.
        use: whether each connection is used once, by one byte to the server and one back, timed apart from connect().
        serve: what the server does with the connections of the storm.
        listeners: number of sockets that listen on each of the server's ports, by SO_REUSEPORT.
        stuck: how many of them nobody accepts from.
        stuck_until_s: how long after the storm began these are closed, with all in their queues; None: they stay.
        fillers: half-open connections of a second client, made before the storm, that fill the server's SYN queue.
        backlog: argument of listen(), of stuck listeners alone where there are any; None: as net.core.somaxconn allows.
        server_nofile: RLIMIT_NOFILE of the server's process; None leaves the limit unchanged.
        keepalive_s: idle time before the server's sockets send keepalive probes; 0 is off, the default.
        firewall: its implementation; None is nftables where nft is installed, else BPF.
        window: maximum number of attempts in flight.
        deadline_s: how long to wait for an attempt; None waits for the kernel's own ETIMEDOUT.
        seed: random seed of the mines' places and of shuffled sweeps.
        port_range: net.ipv4.ip_local_port_range inside the lab; None leaves the kernel's value.
        sysctls: further sysctls inside the lab, by dotted name.
        source: the client's first address; ``sources`` addresses are counted up from it.
        target: the server's address.
        target_port: the server's first port; ``target_ports`` ports are counted up from it.
        workers: client processes, each with an equal share of the attempts; servers: processes that accept connections.
        pin: pin each worker to a CPU of its own and the listener to another, where there are enough CPUs.
        host: use the host's own network stack instead of a private namespace.
        peers: hosts across a link: the first serves, each further one is a client; clients: addresses of the latter.
        witness: sample pairs of sockets during the storm: one in SYN_SENT, and the one in CLOSE_WAIT that it met.
        capture: store the packets of the first attempts of each cause.
        cgroup: what calls programs of a cgroup that client and server are in.
        evidence: where the proof of causes comes from; without root of the host a run goes on with counts.
        world: the hosts between which the storm runs, and what is wrong with them.
        until_slow: end after the part, of a second each, in which so many attempts had sent a SYN again or failed.
        fresh: begin with an empty network and a new server; False reuses those of the act before.
        acts: several storms in sequence, by name, each with the fields that it changes; empty for a single storm.
    """

    scenario: str
    attempts: int | None = None
    sweeps: int | None = None
    duration_s: float | None = None
    rate_per_s: float | None = None
    warmup: int = 0
    probes: int = 0
    mines: int = 0
    mine_state: MineState = MineState.CLOSE_WAIT
    mines_from: str = CLIENT
    laying: Laying = Laying.SEED
    isn: Isn = Isn.KERNEL
    release: Release = Release.NO_BUCKETS
    rest_s: float = 0
    bystanders: int = 0
    bystander_state: MineState = MineState.TIME_WAIT
    ports: Ports = Ports.KERNEL
    close: Close = Close.RST
    linger2_s: int = 0
    protocol: Protocol = Protocol.TCP
    use: bool = False
    serve: Serve = Serve.CLOSE
    listeners: int = 1
    stuck: int = 0
    stuck_until_s: float | None = None
    fillers: int = 0
    backlog: int | None = None
    server_nofile: int | None = None
    keepalive_s: int = 0
    drop: Drop = Drop.NOTHING
    firewall: Firewall | None = None
    window: int = 1024
    deadline_s: float | None = None
    seed: int = 1
    family: Literal[4, 6] = 4
    source: str = LOOPBACK[4]
    sources: int = 1
    target: str = LOOPBACK[4]
    target_port: int = 5000
    target_ports: int = 1
    workers: int = 1
    servers: int = 1
    port_range: tuple[int, int] | None = None
    sysctls: dict[str, str] = {}
    pin: bool = True
    host: bool = False
    peers: list[str] = []
    clients: list[str] = []
    witness: bool = False
    capture: bool = False
    cgroup: CgroupHook = CgroupHook.NONE
    evidence: EvidenceSource = EvidenceSource.COUNTS
    world: World = World()
    until_slow: int | None = None
    fresh: bool = True
    acts: dict[str, dict[str, Any]] = {}

    @property
    def addresses(self) -> int:
        """Number of pairs of a source address and a target port; each has the whole port range."""
        return (self.sources + len(self.clients)) * self.target_ports

    @property
    def worker_hosts(self) -> list[str]:
        """The host of each worker: that of the client, or where two clients storm each its own."""
        return [CLIENT, CLIENT2] if self.has_two_clients else [CLIENT] * self.workers

    @property
    def has_two_clients(self) -> bool:
        """Whether both clients of the world storm, each from its own address, through the same ports in step."""
        return self.world.topology is Topology.TWO_CLIENTS and self.sources > 1

    @property
    def is_external(self) -> bool:
        """Whether the server is not connstorm's own."""
        return self.scenario == EXTERNAL_SCENARIO

    @property
    def server_ports(self) -> range:
        """The server's ports."""
        return range(self.target_port, self.target_port + self.target_ports)

    @property
    def identity(self) -> str:
        """A hash of all fields but the seed: runs with the same identity can be compared."""
        usual = Plan(scenario=self.scenario)  # plans of before there was a choice have the identity of then
        left_out = {"seed", *(name for name in LATER_FIELDS if getattr(self, name) == getattr(usual, name))}
        document = {name: value for name, value in msgspec.to_builtins(self).items() if name not in left_out}
        document |= {"world": self.world.described()} if "world" in document else {}
        return hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()[:IDENTITY_DIGITS]

    def on_host(self) -> "Plan":
        """Return a scenario's plan for the host's own network stack; what a user asks for is set in it afterwards.

        The ports of its mines, if it lays any, are freed by TCP_LINGER2, which depends on no setting of the host.
        """
        return msgspec.structs.replace(self, host=True, release=Release.LINGER2 if self.mines else self.release)

    def with_family(self, family: Literal[4, 6]) -> "Plan":
        """Return this plan for IPv4 or IPv6; an address of the other family becomes that of the same host."""
        source, target = (
            address if (":" in address) is (family == 6) else usual
            for address, usual in zip((self.source, self.target), self.usual_addresses(family), strict=True)
        )
        return msgspec.structs.replace(self, family=family, source=source, target=target)

    def usual_addresses(self, family: int) -> tuple[str, str]:
        """Return the addresses of client and server in the plan's topology; across a link they are what they are."""
        usual = {Topology.LOOPBACK: (LOOPBACK[family],) * 2, Topology.PEER: (self.source, self.target)}
        return usual.get(self.world.topology) or (ADDRESSES[family][CLIENT], ADDRESSES[family][SERVER])

    def storms(self) -> dict[str, "Plan"]:
        """Return the plan of each act by its name; the sysctls of an act are added to those of the plan.

        Raises:
            msgspec.ValidationError: an act changes a field that no plan has.
        """
        if not self.acts:
            return {"storm": self}
        whole = msgspec.structs.asdict(self) | {"acts": {}}
        return {
            name: msgspec.convert(whole | changes | {"sysctls": self.sysctls | changes.get("sysctls", {})}, Plan)
            for name, changes in self.acts.items()
        }
