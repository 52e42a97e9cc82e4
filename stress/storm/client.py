# SPDX-License-Identifier: MIT
"""The client of one act: runs the storm, and observes its environment before and after."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stress._fastconnect import now_ns
from stress.lab import sysctl
from stress.lab.census import NUMBERS
from stress.lab.fd_holder import DescriptorHolders
from stress.lab.kernel_word.word import KernelWord
from stress.lab.signals import ignore_interrupts
from stress.model.attempt import USE
from stress.model.errors import ChannelClosedError, ChannelFaultError
from stress.model.plan import EvidenceSource, Plan, Serve
from stress.model.progress import ProgressCallback, StormCallback, ignore_storm
from stress.model.record import Act
from stress.model.run import no_events, no_uses
from stress.model.world import SERVER
from stress.storm.act_result import ActResult, Aftermath
from stress.storm.act_warnings import SETTLE_LIMIT_S, act_warnings
from stress.storm.buffer import Buffer, Reserve
from stress.storm.check import plan_rules
from stress.storm.environment import Environment
from stress.storm.four_tuples import address_of
from stress.storm.kernel_hearing import Hearing
from stress.storm.listener_reload import ListenerReload
from stress.storm.observed_host import LocalHost
from stress.storm.peer.far_client import FarParts
from stress.storm.phases import act_phases
from stress.storm.ports import watched_ports
from stress.storm.profiler import Profiler, window_of
from stress.storm.snapshot import StormSnapshot
from stress.storm.socket_pairs import SocketPairSampler
from stress.storm.underway import describe_storm
from stress.storm.worker import Worker, WorkerResult, WorkerSpec, merge_stalls, pin_to_cpu
from stress.storm.workers import Workers, copy_rows
from stress.storm.world_capture import WorldCapture


class Client:
    """The client of one act: one worker in this process, or several in processes of their own."""

    def __init__(
        self,
        environment: Environment,
        plan: Plan,
        name: str,
        *,
        first_address: int,
        notify: ProgressCallback,
        folder: Path | None,
        word: KernelWord | None = None,
        announce: StormCallback = ignore_storm,
        profiler: Profiler | None = None,
    ) -> None:
        """Allocate the records, before anything is measured.

        Args:
            environment: of the storm.
            plan: of this act.
            name: of this act.
            first_address: number of its first pair of addresses.
            notify: called with each stage as it begins.
            folder: for records that do not fit into memory.
            word: the kernel's own, where it was asked for and can be had.
            announce: called when the storm is about to begin.
            profiler: records stacks during the storm.

        Raises:
            UsageError: there is not enough room.
        """
        self.environment = environment
        self.hosts = environment.observe(plan)
        self.plan = plan
        self.name = name
        self.first_address = first_address
        self.notify = notify
        self.folder = folder
        self.word = word
        self.announce = announce
        self.profiler = profiler
        self.attempts = plan_rules.attempt_count(plan, environment.ports)
        self.buffer = Buffer(self.attempts, folder)
        self.uses = Buffer(self.attempts, folder, USE) if plan.use else None
        self.reserve = Reserve(plan, self.attempts, folder)
        self.parts: FarParts | None = None
        self.processes = [os.getpid()]  # that make attempts
        self.specs = [
            WorkerSpec(plan, number, self.attempts, first_address, environment.nofile, cpu, environment.socket_filter)
            for number, cpu in enumerate(environment.worker_cpus)
        ]

    def storm(self, begun_ns: int, epoch_ns: int | None, to_the_end: ExitStack | None) -> ActResult:
        """Run the storm, and observe its environment before and after.

        Args:
            begun_ns: when the making of this act's environment began.
            epoch_ns: of the run; None when it begins now.
            to_the_end: after the storm interrupts are ignored until this context ends; None: while it gathers.
        """
        plan, environment = self.plan, self.environment
        mines = self.list_mines()
        laid = plan.mines if plan.fresh else int((mines["state"] == NUMBERS[plan.mine_state]).sum())
        with (
            ExitStack() as observing,
            self.workers_ready(watched_ports(plan, mines)) as run_workers,
            WorldCapture(self.hosts, self.attempts) if plan.capture else nullcontext() as captured,
        ):
            self.notify(f"storm of {self.attempts:,} attempts")  # now: printing must not disturb the storm
            self.announce(describe_storm(environment, self.specs, self.buffer.descriptor))
            for observed in self.hosts.values():
                observing.callback(observed.close)
            hearing = environment.begin_hearing(self.word, plan, self.first_address)
            environment.check_start()
            before = StormSnapshot(plan, environment, self.hosts)
            if self.profiler is not None:
                self.profiler.begin()
            start_ns = now_ns()
            epoch_ns = epoch_ns or start_ns
            sampling = SocketPairSampler(plan, epoch_ns) if plan.witness else nullcontext()
            with sampling as sampler, ListenerReload(plan, environment.listener):
                results = run_workers(epoch_ns)
            end_ns = now_ns()
            with ExitStack() as here:
                (to_the_end or here).enter_context(ignore_interrupts())
                if self.profiler is not None:
                    self.profiler.end(window_of(environment, self.name, self.processes, start_ns, end_ns))
                self.notify("settling")
                after = self.look_after(before, hearing, captured, mines, epoch_ns)
                attempts, uses = self.gather(results, epoch_ns)
        self.close()
        act = Act(
            name=self.name,
            plan=plan,
            address=address_of(plan, self.first_address),
            attempts=len(attempts),
            port_range=(environment.ports.low, environment.ports.high),
            ports=len(environment.ports),
            sysctls=sysctl.read_recorded(plan.sysctls),
            firewall=environment.firewall_text,
            phases=act_phases(plan, attempts, begun_ns - epoch_ns, start_ns - epoch_ns, end_ns - epoch_ns),
            mines_laid=laid,
            pairs=sampler.pairs if sampler else [],
            stalls=merge_stalls(results),
            stalls_missed=sum(result.stalls_missed for result in results),
            external=environment.describe_server(),
            clients=self.parts.reports() if self.parts else [],
            **after.changes,
        )
        interrupted = any(result.interrupted for result in results) or (
            act.peer is not None and act.peer.lost is not None
        )
        where = f" of act {self.name}" if self.first_address or plan.fresh is False else ""
        lost = self.parts.lost if self.parts else None
        warnings = [*act_warnings(plan, after, act.peer, where, has_word=self.word is not None, lost=lost)]
        warnings += environment.take_warnings()
        return ActResult(act, attempts, uses, after.mines, after.events, after.packets, epoch_ns, interrupted, warnings)

    def look_after(
        self,
        before: StormSnapshot,
        hearing: Hearing | None,
        captured: WorldCapture | None,
        mines: npt.NDArray[Any],
        epoch_ns: int,
    ) -> Aftermath:
        """Return what is seen after the storm; nothing but the attempts is known where the other end is lost."""
        plan, environment = self.plan, self.environment
        try:
            environment.end_storm()
            settled = plan.serve is Serve.NOBODY or environment.listener.wait_settled(SETTLE_LIMIT_S)
            changes = before.changes(epoch_ns)
            events = no_events()
            if hearing is not None:
                events, changes["kernel_word"] = hearing.end(epoch_ns)
                if changes["kernel_word"] is not None:
                    changes["evidence"] = EvidenceSource.KERNEL
            packets = captured.packets() if captured else None
            mines["left"] = np.isin(mines["cookie"], self.list_mines()["cookie"])
            changes["peer"] = environment.describe_peer()
        except (ChannelClosedError, ChannelFaultError) as lost:
            changes = before.nothing_known() | {"peer": environment.describe_peer(str(lost))}
            return Aftermath(settled=True, changes=changes, mines=mines[:0], events=no_events(), packets=None)
        return Aftermath(settled=settled, changes=changes, mines=mines, events=events, packets=packets)

    def close(self) -> None:
        """Let go of what the storm needed."""
        self.buffer.close()
        if self.uses is not None:
            self.uses.close()
        for observed in self.hosts.values():
            if isinstance(observed, LocalHost):
                observed.close()

    @contextmanager
    def workers_ready(self, watched: npt.NDArray[np.uint8]) -> Iterator[Callable[[int], list[WorkerResult]]]:
        """Make the workers ready; calling the context's value with the run's epoch (ns) is the storm.

        Sockets that stay open do so until the end of the context.
        """
        if len(self.specs) == 1:
            self.buffer.prefault()
            uses = self.uses.records if self.uses else None
            worker = Worker(self.specs[0], self.environment.ports, self.buffer.records, watched, uses)
            begun = self.environment.begin_parts(self.name, self.plan, self.attempts, self.first_address)
            with pin_to_cpu(self.specs[0].cpu), DescriptorHolders() as holders, closing(worker), begun as self.parts:
                if self.parts is None:
                    yield lambda epoch_ns: [worker.storm(epoch_ns, now_ns(), holders)]
                else:
                    together = self.parts.storm
                    yield lambda epoch_ns: together(epoch_ns, lambda at_ns: worker.storm(epoch_ns, at_ns, holders))
            return
        attempts = [spec.own_attempts(self.environment.ports) for spec in self.specs]
        inside = self.environment.network.inside
        with Workers(self.specs, attempts, self.buffer, watched, inside, uses=self.uses) as self.workers:
            self.processes = [process.pid for process in self.workers.processes]
            yield self.workers.storm

    def list_mines(self) -> npt.NDArray[Any]:
        """Return the mines that there are now, with the addresses of this act, shape (mines,), dtype MINE."""
        mines = self.hosts[self.plan.world.host(SERVER)].list_mines()
        mines["address"] += self.first_address
        return mines

    def gather(self, results: list[WorkerResult], epoch_ns: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the records of all workers in the order of their starts, and the uses of their connections."""
        self.reserve.release()  # for what follows
        if len(self.specs) == 1:
            recorded = results[0].recorded
            own = self.buffer.records[:recorded], self.uses.records[:recorded] if self.uses else no_uses()
            return self.parts.merge(epoch_ns, *own) if self.parts else own
        rows = self.workers.order(results)
        merged = copy_rows(self.buffer, rows, self.folder)
        return merged, copy_rows(self.uses, rows, self.folder) if self.uses else no_uses()
