# SPDX-License-Identifier: MIT
"""The client of one act: fires the storm, and looks at the world before and after."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stress._fastconnect import now_ns
from stress.lab import sysctl
from stress.lab.capture import Capture, Packets
from stress.lab.fd_holder import Holders
from stress.model.attempt import STORM, WARM_UP
from stress.model.plan import Close, Plan, Serve
from stress.model.progress import Notify
from stress.model.record import Act, Address, Phase
from stress.model.run import PORTS
from stress.storm import minefield
from stress.storm.buffer import Buffer
from stress.storm.check import plan_rules
from stress.storm.environment import Environment
from stress.storm.snapshot import StormSnapshot
from stress.storm.socket_pairs import SocketPairSampler
from stress.storm.worker import Worker, WorkerResult, WorkerSpec, pin_to_cpu
from stress.storm.workers import Workers

SETTLE_LIMIT_S = 10.0


@dataclass(frozen=True)
class ActResult:
    """What one act gave: its record, its arrays, its packets (None without capture), and what to know of it."""

    act: Act
    attempts: npt.NDArray[Any]
    mines: npt.NDArray[Any]
    packets: Packets | None
    epoch_ns: int
    interrupted: bool
    warnings: list[str]


class Client:
    """The client of one act: one worker in this process, or several in processes of their own."""

    def __init__(
        self, world: Environment, plan: Plan, name: str, *, first_address: int, notify: Notify, folder: Path | None
    ) -> None:
        """Make room for the records, before anything is measured.

        Args:
            world: that the storm meets.
            plan: of this act.
            name: of this act.
            first_address: number of its first pair of addresses.
            notify: is told each stage as it begins.
            folder: for records that are too many for memory.

        Raises:
            UsageError: there is not enough room.
        """
        self.world = world
        self.plan = plan
        self.name = name
        self.first_address = first_address
        self.notify = notify
        self.folder = folder
        self.attempts = plan_rules.attempt_count(plan, world.ports)
        self.buffer = Buffer(self.attempts, folder)
        self.shares = [
            WorkerSpec(plan, number, self.attempts, first_address, world.nofile, cpu, world.socket_filter)
            for number, cpu in enumerate(world.worker_cpus)
        ]

    def storm(self, begun_ns: int, epoch_ns: int | None, to_the_end: ExitStack | None) -> ActResult:
        """Fire the storm, and look at the world before and after.

        Args:
            begun_ns: when the making of this act's world began.
            epoch_ns: of the run; None when it begins now.
            to_the_end: after a storm SIGINT is ignored while its results are gathered, or until this ends.
        """
        plan, world = self.plan, self.world
        mines = minefield.list_mines(plan)
        mines["address"] += self.first_address
        capture: AbstractContextManager[Capture | None] = (
            Capture(plan.target_port, self.attempts) if plan.capture else nullcontext()
        )
        with self.workers_ready(watched_ports(plan, mines)) as fire, capture as captured:
            self.notify(f"storm of {self.attempts:,} attempts")  # now: printing must not disturb the storm
            dropped_before = world.dropped()
            watch = StormSnapshot(plan, world.listener)
            start_ns = now_ns()
            epoch_ns = epoch_ns or start_ns
            with SocketPairSampler(plan, epoch_ns) if plan.witness else nullcontext() as witness:
                fired = fire(epoch_ns)
            end_ns = now_ns()
            with ExitStack() as here:
                (to_the_end or here).enter_context(ignore_sigint())
                self.notify("settling")
                settled = plan.serve is Serve.NOBODY or world.listener.wait_settled(SETTLE_LIMIT_S)
                changes = watch.changes(epoch_ns)
                packets = captured.packets() if captured else None
                dropped = {name: count - dropped_before.get(name, 0) for name, count in world.dropped().items()}
                left = minefield.list_mines(plan)
                left["address"] += self.first_address
                mines["left"] = np.isin(mines[["address", "local_port"]], left[["address", "local_port"]])
                attempts = self.gather(fired)
        self.buffer.close()
        act = Act(
            name=self.name,
            plan=plan,
            address=Address(
                self.first_address, plan.source, plan.sources, plan.target, plan.target_port, plan.target_ports
            ),
            attempts=len(attempts),
            port_range=(world.ports.low, world.ports.high),
            ports=len(world.ports),
            sysctls=sysctl.recorded(plan.sysctls),
            firewall=world.firewall_text,
            dropped=dropped,
            phases=act_phases(plan, attempts, begun_ns - epoch_ns, start_ns - epoch_ns, end_ns - epoch_ns),
            mines_laid=plan.mines if plan.fresh else len(mines),
            pairs=witness.pairs if witness else [],
            **changes,
        )
        found = list(self.warnings(settled=settled, packets=packets))
        return ActResult(act, attempts, mines, packets, epoch_ns, any(each.interrupted for each in fired), found)

    @contextmanager
    def workers_ready(self, watched: npt.NDArray[np.uint8]) -> Iterator[Callable[[int], list[WorkerResult]]]:
        """Have the workers ready; what is given, called with the run's epoch (ns), is the storm.

        Sockets that stay open do so until the end of the context.
        """
        if len(self.shares) == 1:
            worker = Worker(self.shares[0], self.world.ports)
            self.buffer.prefault()
            with pin_to_cpu(self.shares[0].cpu), Holders() as holders, closing(worker):
                yield lambda epoch_ns: [worker.storm(self.buffer.records, watched, epoch_ns, now_ns(), holders)]
            return
        rows = [share.rows(self.world.ports) for share in self.shares]
        with Workers(self.shares, rows, self.buffer, watched) as self.workers:
            yield self.workers.storm

    def gather(self, fired: list[WorkerResult]) -> npt.NDArray[Any]:
        """Return the records of all workers in the order of their starts."""
        if len(fired) == 1:
            return self.buffer.records[: fired[0].recorded]
        into = Buffer(self.attempts, self.folder)
        merged = self.workers.merge(fired, into)
        into.close()
        return merged

    def warnings(self, *, settled: bool, packets: Packets | None) -> Iterator[str]:
        """Yield what a reader of the result must know of this act."""
        where = f" of act {self.name}" if self.first_address or self.plan.fresh is False else ""
        if not settled:
            yield (
                f"The server had not closed every connection {SETTLE_LIMIT_S:g} s after the storm{where}, so its "
                "counters may be incomplete."
            )
        if packets is not None and packets.missed:
            yield f"The capture{where} was full after {len(packets.time_ns):,} packets and missed {packets.missed:,}."


@contextmanager
def ignore_sigint() -> Iterator[None]:
    """Ignore SIGINT meanwhile: what a storm recorded must also be kept."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def watched_ports(plan: Plan, mines: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return on which ports a SYN may be sent again at once, shape (65536,): those with a mine, or to get one.

    Nothing but a segment from an old socket on the same 4-tuple hastens a SYN's resend. On the host's own stack there
    may be such sockets anywhere.
    """
    leaves_mines = plan.serve is Serve.LEAK and plan.close is Close.FIN
    found = np.full(PORTS, leaves_mines or plan.host, np.uint8)
    found[mines["local_port"]] = 1
    return found


def act_phases(plan: Plan, records: npt.NDArray[Any], begun_ns: int, start_ns: int, end_ns: int) -> list[Phase]:
    """Return the phases of an act: the making of its world, the warm-up, the storm's starts, the stragglers."""
    found = [Phase("minefield" if plan.mines else "set-up", begun_ns, start_ns)]
    last_start_ns = start_ns
    for name, number in (("warm-up", WARM_UP), ("storm", STORM)):
        starts = records["start_ns"][records["phase"] == number]
        if len(starts):
            found.append(Phase(name, last_start_ns, int(starts[-1])))
            last_start_ns = int(starts[-1])
    return [*found, Phase("stragglers", last_start_ns, end_ns)]
