# SPDX-License-Identifier: MIT
"""All that can be wrong with a plan, checked in one place before the first socket, from general to specific."""

from collections.abc import Iterator
from ipaddress import ip_address

from stress.lab.listener import PROCESSES_MAX
from stress.model.errors import UsageError
from stress.model.plan import Close, Plan, Ports, Release
from stress.storm.ports import PortRange

DESCRIPTORS_KEPT = 64  # for the program itself: standard streams, epoll, listening socket, files
HOLDERS_MAX = PROCESSES_MAX - 1  # processes that hold mines; one more serves the storm
ATTEMPTS_MAX = 100_000_000
UNBOUND_SOURCE = {4: ip_address("127.0.0.1"), 6: ip_address("::1")}  # of a loopback connection without bind()
FASTEST_PER_S = 250_000  # no worker has come near this; it sizes the buffer of a storm that time ends
SECONDS_MAX = 3600
WINDOW_MAX = 1_000_000
SEED_MAX = 2**63 - 1
PORT_MAX = 65535


def faults(plan: Plan) -> Iterator[str]:
    """Yield a sentence for everything that is wrong with a plan, whatever host it is for."""
    yield from number_faults(plan)
    wrong_addresses = [
        *address_faults("--target", plan.target, plan.family),
        *address_faults("--source", plan.source, plan.family),
    ]
    yield from wrong_addresses
    if not wrong_addresses:
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
        ("--target-port", plan.target_port, 1, PORT_MAX),
    ):
        if number is not None and not low <= number <= high:
            yield f"{option} must be from {low:,} to {high:,}, not {number:,}."
    for option, seconds in (("--duration", plan.duration_s), ("--deadline", plan.deadline_s)):
        if seconds is not None and not 0 < seconds <= SECONDS_MAX:
            yield f"{option} must be above 0 and at most {SECONDS_MAX:,} s, not {seconds:g}."
    if plan.port_range is not None:
        low, high = plan.port_range
        if not 1 <= low <= high <= PORT_MAX:
            yield f"--port-range {low}-{high} holds no port; it must rise within 1-{PORT_MAX}."


def combination_faults(plan: Plan) -> Iterator[str]:
    """Yield which values do not go together."""
    if plan.sweeps is not None and not plan.ports.sweeping:
        yield f"--sweeps needs --ports sweep or shuffle; with {plan.ports.value} the kernel chooses the ports."
    if plan.ports in (Ports.KERNEL, Ports.RANGE) and ip_address(plan.source) != UNBOUND_SOURCE[plan.family]:
        yield (
            f"With --ports {plan.ports.value} the kernel chooses the source address too, and that is "
            f"{UNBOUND_SOURCE[plan.family]}; for another --source use --ports no-port."
        )
    if plan.sweeps is not None and plan.attempts is not None:
        yield "Give --attempts or --sweeps, not both."
    if plan.host and plan.sysctls:
        yield "Settings are changed inside the private namespace only; leave out --host, or set them yourself."
    if plan.host and plan.port_range is not None:
        yield "--port-range is set inside the private namespace only; leave out --host."
    if plan.host and plan.mines and plan.release is Release.NO_BUCKETS:
        yield "--release no-buckets changes a setting; with --host use --release linger2 or fin-timeout."


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


def faults_here(plan: Plan, ports: PortRange, nofile: int, *, ranged: bool = True) -> Iterator[str]:
    """Yield a sentence for everything that this host, or its namespace, cannot do of a plan.

    Args:
        plan: one without faults of its own.
        ports: the ephemeral ports of the namespace.
        nofile: descriptors that one process may have (RLIMIT_NOFILE, hard).
        ranged: whether the kernel knows IP_LOCAL_PORT_RANGE.
    """
    if len(ports) == 0:
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
    if plan.ports is Ports.RANGE and not ranged:
        yield "--ports range needs IP_LOCAL_PORT_RANGE, which came with Linux 6.3; use --ports kernel or no-port."
    room = nofile - DESCRIPTORS_KEPT
    if plan.window > room:
        yield (
            f"--window {plan.window:,} needs as many descriptors, but one process here may have {nofile:,} "
            f"(ulimit -n), of which the program keeps {DESCRIPTORS_KEPT}."
        )
    if plan.close is Close.HOLD and attempts > room:
        yield (
            f"--close hold would hold {attempts:,} sockets, but one process here may have {nofile:,} "
            f"descriptors (ulimit -n), of which the program keeps {DESCRIPTORS_KEPT}."
        )
    if plan.mines > len(ports):
        yield (
            f"{plan.mines:,} mines do not fit the port range {ports.low}-{ports.high}, which has "
            f"{len(ports):,} ports; lower --mines or widen --port-range."
        )
    if plan.mines > room * HOLDERS_MAX:
        yield (
            f"{plan.mines:,} mines are more than {HOLDERS_MAX} processes may hold with {nofile:,} descriptors "
            "each (ulimit -n); lower --mines or raise the limit."
        )


def refuse(sentences: Iterator[str]) -> None:
    """Raise UsageError with all the sentences, if there are any."""
    if found := list(sentences):
        raise UsageError(" ".join(found))


def attempt_count(plan: Plan, ports: PortRange) -> int:
    """Return how many attempts a plan makes at most: the size of its buffer.

    A plan that gives neither attempts nor sweeps nor time makes one pass over the port range.
    """
    if plan.attempts is not None:
        return plan.attempts
    if plan.duration_s is not None and plan.sweeps is None:
        return max(1, int(plan.duration_s * FASTEST_PER_S))
    return (plan.sweeps or 1) * len(ports)
