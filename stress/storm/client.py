# SPDX-License-Identifier: MIT
"""The client of one act: fires the storm, and looks at the world before and after."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress._fastconnect import now_ns, storm
from stress.lab import sysctl
from stress.lab.capture import Capture, Packets
from stress.lab.holder import Holders
from stress.model.attempt import STORM, WARM_UP, blank
from stress.model.notify import Notify
from stress.model.plan import Close, Plan, Serve
from stress.model.record import Act, Address, Phase
from stress.storm import check, minefield
from stress.storm.ports import order
from stress.storm.segment import Segments
from stress.storm.watch import Watch
from stress.storm.witness import Witness
from stress.storm.world import World

SETTLE_LIMIT_S = 10.0
SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Part:
    """What one act gave: its record, its arrays, its packets (None without capture), and what to know of it."""

    act: Act
    attempts: npt.NDArray[Any]
    mines: npt.NDArray[Any]
    packets: Packets | None
    epoch_ns: int
    interrupted: bool
    warnings: list[str]


class Client:
    """The client of one act."""

    def __init__(self, world: World, plan: Plan, name: str, number: int, notify: Notify) -> None:
        """Map the buffers, before anything is measured."""
        self.world = world
        self.plan = plan
        self.name = name
        self.number = number
        self.notify = notify
        self.buffer = blank(check.attempt_count(plan, world.ports))
        self.port_list = order(plan, world.ports, len(self.buffer), world.storm_generator)

    def storm(self, begun_ns: int, epoch_ns: int | None, to_the_end: ExitStack | None) -> Part:
        """Fire the storm, and look at the world before and after.

        Args:
            begun_ns: when the making of this act's world began.
            epoch_ns: of the run; None when it begins now.
            to_the_end: after a storm SIGINT is ignored while its results are gathered, or until this ends.
        """
        plan, world = self.plan, self.world
        mines = minefield.standing(plan)
        mines["address"] = self.number
        self.notify(f"storm of {len(self.buffer):,} attempts")  # now: printing must not disturb the storm
        capture: AbstractContextManager[Capture | None] = (
            Capture(plan.target_port, len(self.buffer)) if plan.capture else nullcontext()
        )
        with on_cpu(world.client_cpu), Holders() as holders, capture as captured:
            dropped_before = world.dropped()
            watch = Watch(plan, world.listener)
            start_ns = now_ns()
            epoch_ns = epoch_ns or start_ns
            with Witness(plan, epoch_ns) if plan.witness else nullcontext() as witness:
                recorded, interrupted, held = self.fire(epoch_ns, holders)
            end_ns = now_ns()
            with ExitStack() as here:
                (to_the_end or here).enter_context(undisturbed())
                self.notify("settling")
                settled = plan.serve is Serve.NOBODY or world.listener.wait_settled(SETTLE_LIMIT_S)
                changes = watch.changes(epoch_ns)
                packets = captured.packets() if captured else None
                dropped = {name: count - dropped_before.get(name, 0) for name, count in world.dropped().items()}
                mines["left"] = np.isin(mines["local_port"], minefield.standing(plan)["local_port"])
                for descriptor in held:
                    os.close(descriptor)
        attempts = self.buffer[:recorded]
        act = Act(
            name=self.name,
            plan=plan,
            address=Address(plan.source, plan.target, plan.target_port),
            port_range=(world.ports.low, world.ports.high),
            ports=len(world.ports),
            sysctls=sysctl.recorded(),
            firewall=world.firewall_text,
            dropped=dropped,
            phases=phases(plan, attempts, begun_ns - epoch_ns, start_ns - epoch_ns, end_ns - epoch_ns),
            mines_laid=plan.mines if plan.fresh else len(mines),
            pairs=witness.pairs if witness else [],
            **changes,
        )
        found = list(self.warnings(settled=settled, packets=packets))
        return Part(act, attempts, mines, packets, epoch_ns, interrupted, found)

    def fire(self, epoch_ns: int, holders: Holders) -> tuple[int, bool, list[int]]:
        """Run the engine; return how many attempts were recorded, whether SIGINT came, and the sockets held.

        Of sockets that stay open one process may have only so many: the others go to holders.
        """
        plan = self.plan
        holding = plan.close is Close.HOLD
        room = self.world.nofile - check.DESCRIPTORS_KEPT - plan.window if holding else len(self.buffer)
        stop_ns = now_ns() + round((plan.duration_s or 0) * SECOND_NS)
        recorded, interrupted = 0, False
        open_here: list[int] = []
        segments = Segments(plan, self.world.ports, self.port_list, len(self.buffer), self.world.storm_generator)
        while (segment := segments.next(self.buffer[:recorded], room)) and not interrupted:
            if plan.duration_s and now_ns() >= stop_ns:
                break
            if len(open_here) + segment.attempts > room:
                holders.take(open_here)
                open_here = []
            held = np.full(segment.attempts, -1, np.intc) if holding else None
            done, interrupted = storm(
                self.buffer[recorded : recorded + segment.attempts],
                target=plan.target,
                target_port=plan.target_port,
                source=plan.source,
                ports=segment.policy,
                port_list=segment.port_list,
                port_range=(self.world.ports.low, self.world.ports.high),
                close=plan.close.value,
                held=held,
                attempts=segment.attempts,
                warmup=segment.warmup,
                window=plan.window,
                epoch_ns=epoch_ns,
                duration_ns=max(stop_ns - now_ns(), 1) if plan.duration_s else 0,
                deadline_ns=round((plan.deadline_s or 0) * SECOND_NS),
                interval_ns=round(SECOND_NS / plan.rate_per_s) if plan.rate_per_s else 0,
                linger2_s=plan.linger2_s,
                socket_filter=self.world.socket_filter,
                address=self.number,
            )
            recorded += done
            if held is not None:
                open_here += held[:done][held[:done] >= 0].tolist()
        return recorded, interrupted, open_here

    def warnings(self, *, settled: bool, packets: Packets | None) -> Iterator[str]:
        """Yield what a reader of the result must know of this act."""
        where = f" of act {self.name}" if self.number or self.plan.fresh is False else ""
        if not settled:
            yield (
                f"The server had not closed every connection {SETTLE_LIMIT_S:g} s after the storm{where}, so its "
                "counters may be incomplete."
            )
        if packets is not None and packets.missed:
            yield f"The capture{where} was full after {len(packets.time_ns):,} packets and missed {packets.missed:,}."


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


@contextmanager
def on_cpu(cpu: int | None) -> Iterator[None]:
    """Keep this process on one CPU meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if cpu is None else {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def phases(plan: Plan, records: npt.NDArray[Any], begun_ns: int, start_ns: int, end_ns: int) -> list[Phase]:
    """Return the phases of an act: the making of its world, the warm-up, the storm's starts, the stragglers."""
    found = [Phase("minefield" if plan.mines else "set-up", begun_ns, start_ns)]
    last_start_ns = start_ns
    for name, number in (("warm-up", WARM_UP), ("storm", STORM)):
        starts = records["start_ns"][records["phase"] == number]
        if len(starts):
            found.append(Phase(name, last_start_ns, int(starts[-1])))
            last_start_ns = int(starts[-1])
    return [*found, Phase("stragglers", last_start_ns, end_ns)]
