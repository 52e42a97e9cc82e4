# SPDX-License-Identifier: MIT
"""The rules for plans, checked in one place before the first socket, from general to specific."""

from collections.abc import Iterator

import msgspec

from stress.lab.listener import PROCESSES_MAX
from stress.lab.sysctl import RESERVED_PORTS, unwritten_text
from stress.model.errors import UsageError
from stress.model.mine import Laying, Release
from stress.model.plan import Close, EvidenceSource, Plan, Ports, Serve
from stress.model.protocol import Protocol
from stress.model.world import Drop, Firewall
from stress.storm.check import world_rules
from stress.storm.check.address_rules import PORT_MAX, addresses_faults, space_faults
from stress.storm.check.firewall_rules import firewall_faults
from stress.storm.check.listener_rules import listener_faults
from stress.storm.check.mine_rules import deaf_hosts, old_socket_faults
from stress.storm.check.world_rules import world_faults
from stress.storm.ports import PortRange
from stress.storm.segment import listing_policy

DESCRIPTORS_RESERVED = 64  # for the program itself: standard streams, epoll, listening socket, files
HOLDERS_MAX = 64  # processes that hold mines; the others serve the storm
ATTEMPTS_MAX = 100_000_000
FASTEST_PER_S = 250_000  # no worker has come near this; it sizes the buffer of a storm that time ends
SECONDS_MAX = 3600
WINDOW_MAX = 1_000_000
SEED_MAX = 2**63 - 1
RATE_MIN_PER_S, RATE_MAX_PER_S = 0.001, 1_000_000
TCP_FIN_TIMEOUT_MAX_S = 120  # include/net/tcp.h: TCP_LINGER2 goes no higher
MAX_TCP_KEEPIDLE_S = 32767  # include/net/tcp.h
WORKERS_MAX = 64  # fewer than the 256 that a record has room for, and more than are of use
SERVERS_MAX = PROCESSES_MAX - HOLDERS_MAX  # one for each worker
SLOW_MAX = 1000  # slow attempts that a storm waits for
FILLERS_MAX = 50_000  # each has a port of the second client
SERVER_NOFILE_MIN = 32  # the listener's process itself needs some


def plan_faults(plan: Plan) -> Iterator[str]:
    """Yield one sentence for everything that is wrong with a plan on any host."""
    try:
        plans = plan.storms().values()
    except msgspec.ValidationError as error:
        yield f"An act of {plan.scenario} is invalid: {error}."
        return
    yield from dict.fromkeys(sentence for act in plans for sentence in act_faults(act))


def act_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with the plan of one act."""
    yield from number_faults(plan)
    yield from filter(None, map(unwritten_text, plan.sysctls))
    wrong_addresses = list(addresses_faults(plan))
    yield from wrong_addresses
    if not wrong_addresses:
        yield from space_faults(plan)
        yield from listener_faults(plan)
        yield from combination_faults(plan)


def number_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with each number by itself."""
    for option, number, low, high in (
        ("--attempts", plan.attempts, 1, ATTEMPTS_MAX),
        ("--sweeps", plan.sweeps, 1, ATTEMPTS_MAX),
        ("--warmup", plan.warmup, 0, ATTEMPTS_MAX),
        ("--window", plan.window, 1, WINDOW_MAX),
        ("--mines", plan.mines, 0, ATTEMPTS_MAX),
        ("--seed", plan.seed, 0, SEED_MAX),
        ("--listen-port", plan.target_port, 1, PORT_MAX),
        ("--workers", plan.workers, 1, WORKERS_MAX),
        ("--servers", plan.servers, 1, SERVERS_MAX),
        ("fillers", plan.fillers, 0, FILLERS_MAX),
        ("--backlog", plan.backlog, 0, PORT_MAX),
        ("--server-nofile", plan.server_nofile, SERVER_NOFILE_MIN, ATTEMPTS_MAX),
        ("--linger2", plan.linger2_s, 0, TCP_FIN_TIMEOUT_MAX_S),
        ("--keepalive", plan.keepalive_s, 0, MAX_TCP_KEEPIDLE_S),
        ("--until-slow", plan.until_slow, 1, SLOW_MAX),
    ):
        if number is not None and not low <= number <= high:
            yield f"{option} must be from {low:,} to {high:,}, not {number:,}."
    for option, seconds in (("--duration", plan.duration_s), ("--deadline", plan.deadline_s)):
        if seconds is not None and not 0 < seconds <= SECONDS_MAX:
            yield f"{option} must be above 0 and at most {SECONDS_MAX:,} s, not {seconds:g}."
    if not 0 <= plan.rest_s <= SECONDS_MAX:
        yield f"--rest must be from 0 to {SECONDS_MAX:,} s, not {plan.rest_s:g}."
    if plan.rate_per_s is not None and not RATE_MIN_PER_S <= plan.rate_per_s <= RATE_MAX_PER_S:
        yield f"--rate must be from {RATE_MIN_PER_S:g} to {RATE_MAX_PER_S:,} a second, not {plan.rate_per_s:g}."
    if plan.port_range is not None:
        low, high = plan.port_range
        if not 1 <= low <= high <= PORT_MAX:
            yield f"--port-range {low}-{high} holds no port; it must rise within 1-{PORT_MAX}."


def combination_faults(plan: Plan) -> Iterator[str]:
    """Yield which values do not go together."""
    if plan.sweeps is not None and not plan.ports.is_sweeping:
        yield f"--sweeps needs --ports sweep or shuffle; with {plan.ports.value} the kernel chooses the ports."
    unbound = plan.ports in (Ports.KERNEL, Ports.RANGE) and plan.sources == 1
    unbound_source, _ = plan.usual_addresses(plan.family)
    if unbound and plan.source != unbound_source and not (plan.is_external or plan.world.is_across_link):
        yield (
            f"With --ports {plan.ports.value} the kernel chooses the source address too, and that is "
            f"{unbound_source}; for another --source use --ports no-port."
        )
    yield from firewall_faults(plan)
    yield from world_faults(plan)
    yield from old_socket_faults(plan)
    yield from evidence_faults(plan)
    if plan.probes and plan.ports is not Ports.KERNEL:
        yield f"{plan.scenario} measures connect() that chooses its port by itself; leave out --ports."
    if plan.laying is Laying.CLIENTS and plan.source != unbound_source:
        yield f"Mines on ports that the kernel chooses are laid from {unbound_source}; leave out --source."
    if plan.server_nofile is not None and plan.serve is Serve.NOBODY:
        yield "--server-nofile is for the process that accepts; with --serve nobody there is none."
    if plan.sweeps is not None and plan.attempts is not None:
        yield "Give --attempts or --sweeps, not both."
    if plan.host and plan.port_range is not None and not plan.world.is_across_link:
        yield "--port-range is set inside the private namespace only; leave out --host."
    if plan.host and plan.mines and plan.release is Release.NO_BUCKETS:
        yield "--release no-buckets changes a setting; with --host use --release linger2 or fin-timeout."


def evidence_faults(plan: Plan) -> Iterator[str]:
    """Yield which values need more evidence than a plan asks for."""
    if plan.evidence is EvidenceSource.PACKETS:
        yield "--evidence packets is that of capture files, which connstorm read FILE reads; a storm has counts."
    if plan.evidence is not EvidenceSource.NONE:
        return
    if plan.capture:
        yield "--capture stores packets by cause, and --evidence none names none; leave out one of them."
    if plan.witness:
        yield f"{plan.scenario} lists sockets during the storm, and --evidence none lists none; use --evidence counts."


def missing_kernel_features(
    plan: Plan, *, has_local_port_range: bool, has_nft: bool = True, has_mptcp: bool = True
) -> Iterator[str]:
    """Yield one sentence for every kernel feature that a plan needs and this kernel does not have.

    Args:
        plan: one without faults of its own.
        has_local_port_range: whether the kernel has IP_LOCAL_PORT_RANGE.
        has_nft: whether nft is installed.
        has_mptcp: whether the kernel has Multipath TCP.
    """
    if plan.protocol is Protocol.MPTCP and not has_mptcp:
        yield "--protocol mptcp needs Multipath TCP, which this kernel does not have, or net.mptcp.enabled is 0."
    if (plan.world.rules or deaf_hosts(plan)) and not has_nft:
        yield f"{plan.scenario} needs nft, which is not installed (Debian package nftables)."
    if plan.family == 6 and world_rules.looks_at_sources(plan.world):
        yield (
            f"{plan.scenario} needs IPv4: IPv6 has no reverse path filter, and takes a source that is an address of "
            "its own."
        )
    if plan.family == 4 and world_rules.turns_ipv6_off(plan.world):
        yield f"{plan.scenario} needs IPv6, which it turns off on a host; use --family 6."
    if has_local_port_range:
        return
    if plan.ports.is_sweeping and listing_policy(plan) == "each":
        yield (
            "To sweep without bind(), as --close disconnect and several target ports do, needs IP_LOCAL_PORT_RANGE, "
            "which came with Linux 6.3; use --ports kernel, or another --close and one --listen-port."
        )
    if plan.ports is Ports.RANGE:
        yield "--ports range needs IP_LOCAL_PORT_RANGE, which came with Linux 6.3; use --ports kernel or no-port."


def host_faults(plan: Plan, ports: PortRange, nofile: int, *, has_nft: bool = True) -> Iterator[str]:
    """Yield one sentence for everything of a plan that this host, or its namespace, cannot do.

    Args:
        plan: one without faults of its own.
        ports: the ephemeral ports of the namespace.
        nofile: descriptors that one process may have (RLIMIT_NOFILE, hard).
        has_nft: whether nft is installed.
    """
    if len(ports) == 0 and RESERVED_PORTS not in plan.sysctls:
        yield (
            f"The port range {ports.low}-{ports.high} has no port left: all are reserved "
            "(net.ipv4.ip_local_reserved_ports) or the server's own; widen it with --port-range."
        )
        return
    attempts = attempt_count(plan, ports)
    if attempts > ATTEMPTS_MAX:
        yield (
            f"This plan may make {attempts:,} attempts, but a run records {ATTEMPTS_MAX:,} at most; "
            "give --attempts, fewer --sweeps or a shorter --duration."
        )
    if plan.rate_per_s is not None and plan.duration_s is None and (attempts - 1) / plan.rate_per_s > SECONDS_MAX:
        yield (
            f"{attempts:,} attempts at {plan.rate_per_s:g} a second take {(attempts - 1) / plan.rate_per_s:,.0f} s, "
            f"and a storm {SECONDS_MAX:,} s at most; raise --rate, or give fewer --attempts or a --duration."
        )
    room = nofile - DESCRIPTORS_RESERVED
    if room < 1:
        yield (
            f"One process here may have {nofile:,} descriptors (ulimit -n), of which the program reserves "
            f"{DESCRIPTORS_RESERVED}: none is left for a storm; raise the limit."
        )
        return
    if plan.window > room:
        yield (
            f"--window {plan.window:,} needs as many descriptors, but one process here may have {nofile:,} "
            f"(ulimit -n), of which the program reserves {DESCRIPTORS_RESERVED}."
        )
    if plan.close is Close.HOLD and plan.window >= room:
        yield f"--close hold needs descriptors besides the window; lower --window {plan.window:,} below {room:,}."
    needs_nft = plan.firewall is Firewall.NFT or plan.drop is Drop.INVALID
    if plan.drop is not Drop.NOTHING and needs_nft and not has_nft:
        yield "These rules need nft, which is not installed (Debian package nftables)."
    if plan.serve is Serve.LEAK and plan.server_nofile is None and attempts > room * HOLDERS_MAX:
        yield (
            f"{attempts:,} leaked connections are more than {HOLDERS_MAX} processes may hold with {nofile:,} "
            "descriptors each (ulimit -n); lower --attempts."
        )
    if plan.mines > len(ports) * plan.addresses:
        more = f" for each of {plan.addresses:,} pairs of addresses" if plan.addresses > 1 else ""
        yield (
            f"{plan.mines:,} mines do not fit the port range {ports.low}-{ports.high}, which has "
            f"{len(ports):,} ports{more}; lower --mines, widen --port-range, or give a range of --source addresses."
        )
    if plan.mines > room * HOLDERS_MAX:
        yield (
            f"{plan.mines:,} mines are more than {HOLDERS_MAX} processes may hold with {nofile:,} descriptors "
            "each (ulimit -n); lower --mines or raise the limit."
        )


def refuse(sentences: Iterator[str], kind: type[UsageError] = UsageError) -> None:
    """Raise an error of a kind with all the sentences, if there are any."""
    if text := " ".join(sentences):
        raise kind(text)


def attempt_count(plan: Plan, ports: PortRange) -> int:
    """Return the largest number of attempts that a plan can make: the size of its buffer.

    A plan that gives neither attempts nor sweeps nor time, or that measures how the range fills, makes one pass over
    the port range of each pair of addresses.
    """
    if plan.attempts is not None:
        return plan.attempts
    if plan.duration_s is not None and plan.sweeps is None and not plan.probes:
        return max(1, int(plan.duration_s * FASTEST_PER_S * plan.workers))
    return (plan.sweeps or 1) * len(ports) * plan.addresses
