# SPDX-License-Identifier: MIT
"""The act: a plan in, a run out, in this process and its network namespace."""

import os
import resource
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

import stress
from stress._fastconnect import now_ns, storm
from stress.lab import host, sysctl
from stress.lab.listener import Listener
from stress.model.attempt import STORM, WARM_UP, blank
from stress.model.notify import Notify
from stress.model.plan import Close, Drop, Plan
from stress.model.record import Address, Phase, Record
from stress.model.run import MINE, Run
from stress.storm import check, minefield
from stress.storm.ports import PortRange, generators, order, port_range
from stress.storm.watch import Watch

SETTLE_LIMIT_S = 10.0
LONGEST_QUEUE = "65535"  # so that the accept queue is not what a storm measures, unless it is meant to be
SECOND_NS = 1_000_000_000


def carry_out(plan: Plan, notify: Notify = lambda _: None) -> Run:
    """Carry out a plan and return what was observed. SIGINT during the storm ends it and keeps its records.

    Args:
        plan: what to do.
        notify: is told each stage as it begins; never during the storm itself.

    Raises:
        UsageError: the plan cannot be, or not here; nothing was started.
        LabError: the world under test could not be made.
    """
    check.refuse(check.faults(plan))
    prepare_sysctls(plan)
    nofile = raise_descriptor_limit()
    ports = port_range(plan.target_port)
    check.refuse(check.faults_here(plan, ports, nofile, ranged=host.has_local_port_range()))
    attempts = check.attempt_count(plan, ports)
    buffer = blank(attempts)
    client_cpu, listener_cpu = cpus(plan)
    mine_generator, storm_generator = generators(plan.seed)
    port_list = order(plan, ports, attempts, storm_generator)

    started = datetime.now(UTC)
    laying_ns = now_ns()
    with (
        ExitStack() as to_the_end,
        on_cpu(client_cpu),
        Listener(plan.target, plan.target_port, drop_rst=plan.drop is Drop.RST, cpu=listener_cpu) as listener,
    ):
        mines = np.zeros(0, MINE)
        if plan.mines:
            places = mine_generator.choice(ports.usable, plan.mines, replace=False)
            mines = minefield.lay(plan, listener, places, nofile, notify)
        notify(f"storm of {attempts:,} attempts")  # before the server starts, so that printing it disturbs nothing
        listener.start()
        facts = host.facts(private=not plan.host, server_filter=filter_text(plan))
        watch = Watch(plan, listener)
        epoch_ns = now_ns()
        recorded, interrupted, held = fire(plan, buffer, ports, port_list, epoch_ns)
        storm_end_ns = now_ns() - epoch_ns
        to_the_end.enter_context(undisturbed())
        notify("settling")
        settled = listener.wait_settled(SETTLE_LIMIT_S)
        changes = watch.changes()
        left = minefield.standing(plan)
        release(held)

    attempts_made = buffer[:recorded]
    record = Record(
        id=secrets.token_hex(3),
        program=f"connstorm {stress.__version__}",
        started_utc=started.isoformat(timespec="milliseconds"),
        plan=plan,
        host=facts,
        addresses=[Address(plan.source, plan.target, plan.target_port)],
        port_range=(ports.low, ports.high),
        phases=phases(plan, attempts_made, laying_ns - epoch_ns, storm_end_ns),
        mines_left=int(np.isin(mines["local_port"], left["local_port"]).sum()),
        interrupted=interrupted,
        warnings=list(warnings(plan, settled=settled, interrupted=interrupted)),
        **changes,
    )
    return Run(record, attempts_made, mines)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore SIGINT meanwhile: what a storm recorded must also be kept."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def prepare_sysctls(plan: Plan) -> None:
    """Set what the plan asks for, inside the private namespace; the host's own settings are never touched."""
    if plan.host:
        return
    if "net.core.somaxconn" not in plan.sysctls:
        sysctl.write("net.core.somaxconn", LONGEST_QUEUE)
    if plan.port_range is not None:
        sysctl.write("net.ipv4.ip_local_port_range", "{} {}".format(*plan.port_range))
    for name, value in plan.sysctls.items():
        sysctl.write(name, value)


def raise_descriptor_limit() -> int:
    """Raise RLIMIT_NOFILE to its hard value and return that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def cpus(plan: Plan) -> tuple[int | None, int | None]:
    """Return the CPUs of the client and of the listener: two different ones, where there are two."""
    available = sorted(os.sched_getaffinity(0))
    if not plan.pin or len(available) < 2:
        return None, None
    return available[0], available[1]


@contextmanager
def on_cpu(cpu: int | None) -> Iterator[None]:
    """Keep this process on one CPU meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if cpu is None else {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def filter_text(plan: Plan) -> str:
    """Say what the filter on the server's sockets does."""
    return "a BPF filter on the server's sockets drops RST" if plan.drop is Drop.RST else "no socket filter"


def fire(
    plan: Plan, buffer: npt.NDArray[Any], ports: PortRange, port_list: npt.NDArray[Any] | None, epoch_ns: int
) -> tuple[int, bool, npt.NDArray[Any] | None]:
    """Run the engine; return how many attempts were recorded, whether SIGINT came, and the sockets held."""
    held = np.full(len(buffer), -1, np.intc) if plan.close is Close.HOLD else None
    recorded, interrupted = storm(
        buffer,
        target=plan.target,
        target_port=plan.target_port,
        source=plan.source,
        ports="list" if port_list is not None else plan.ports.value,
        port_list=port_list,
        port_range=(ports.low, ports.high),
        close=plan.close.value,
        held=held,
        attempts=len(buffer),
        warmup=plan.warmup,
        window=plan.window,
        epoch_ns=epoch_ns,
        duration_ns=round((plan.duration_s or 0) * SECOND_NS),
        deadline_ns=round((plan.deadline_s or 0) * SECOND_NS),
    )
    return recorded, interrupted, held


def release(held: npt.NDArray[Any] | None) -> None:
    """Close the sockets of a storm that held them."""
    for descriptor in held if held is not None else ():
        if descriptor >= 0:
            os.close(descriptor)


def phases(plan: Plan, records: npt.NDArray[Any], laying_ns: int, end_ns: int) -> list[Phase]:
    """Return the phases of the run: the lab's, the warm-up, the storm's starts, and the wait for stragglers."""
    found = [Phase("minefield" if plan.mines else "set-up", laying_ns, 0)]
    last_start_ns = 0
    for name, number in (("warm-up", WARM_UP), ("storm", STORM)):
        starts = records["start_ns"][records["phase"] == number]
        if len(starts):
            found.append(Phase(name, last_start_ns, int(starts[-1])))
            last_start_ns = int(starts[-1])
    return [*found, Phase("stragglers", last_start_ns, end_ns)]


def warnings(plan: Plan, *, settled: bool, interrupted: bool) -> list[str]:
    """Return what a reader of the result must know."""
    found = []
    if interrupted:
        found.append("The storm was interrupted: its records end early, and attempts in flight are unfinished.")
    if not settled:
        found.append(
            f"The server had not closed every connection {SETTLE_LIMIT_S:g} s after the storm, so its "
            "counters may be incomplete."
        )
    if plan.host:
        found.append(
            "This ran on the host's own network stack: the counters include everybody's connections, and "
            "no setting was changed."
        )
    return found
