# SPDX-License-Identifier: MIT
"""A worker: its part of a storm, carried out by this process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from stress._fastconnect import PreparedStorm, now_ns
from stress.lab.fd_holder import DescriptorHolders
from stress.lab.host import jiffy_ns
from stress.model.plan import Close, Plan
from stress.model.stall import Stall, StallKind
from stress.model.units import SECOND_NS
from stress.storm import four_tuples
from stress.storm.check import plan_rules
from stress.storm.peer.pace import CATCH_UP_NS
from stress.storm.ports import PortRange, seeded_generators
from stress.storm.segment import Segments

PART_ATTEMPTS = 1000  # of a storm that waits for slow attempts and has no rate


class WorkerSpec(msgspec.Struct, frozen=True):
    """The part of one of a plan's workers.

    Attributes:
        plan: of the act.
        number: of the worker, from 0 on.
        attempts: of the whole storm.
        first_address: number of the act's first pair of addresses.
        nofile: descriptors that this process may have.
        cpu: the CPU to stay on; None is any.
        socket_filter: of each socket.
    """

    plan: Plan
    number: int
    attempts: int
    first_address: int
    nofile: int
    cpu: int | None
    socket_filter: bytes

    def own_attempts(self, ports: PortRange) -> int:
        """Return how many attempts are this worker's; whole sweeps are whole sweeps of each worker's 4-tuples."""
        sweep = self.plan.addresses * len(ports) if self.plan.ports.is_sweeping else self.attempts
        sweeps, rest = divmod(self.attempts, max(sweep, 1))
        return sweeps * self.own_part(sweep) + self.own_part(rest)

    @property
    def own_plan(self) -> Plan:
        """The plan of this worker's 4-tuples: of several clients each has its own address and all its ports."""
        if self.plan.clients:
            source = [self.plan.source, *self.plan.clients][self.number]
            return msgspec.structs.replace(self.plan, source=source, clients=[], workers=1)
        if not self.plan.has_two_clients:
            return self.plan
        source = str(ip_address(self.plan.source) + self.number)
        return msgspec.structs.replace(self.plan, source=source, sources=1, workers=1)

    @property
    def own_address(self) -> int:
        """The number of the first pair of addresses in ``own_plan``."""
        has_own = self.plan.has_two_clients or self.plan.clients
        return self.first_address + (self.number * self.plan.target_ports if has_own else 0)

    def own_part(self, count: int) -> int:
        """Return this worker's part of a number that is dealt one by one."""
        return len(range(self.number, count, self.plan.workers))


class WorkerResult(msgspec.Struct, frozen=True, tag="result"):
    """The result of a worker's storm.

    Attributes:
        recorded: attempts.
        interrupted: whether SIGINT ended it.
        stalls: the first ones of each call of the engine, by their starts.
        stalls_missed: that the engine had no room for.
    """

    recorded: int
    interrupted: bool
    stalls: list[Stall]
    stalls_missed: int


def merge_stalls(results: list[WorkerResult]) -> list[Stall]:
    """Return the stalls of all workers by their starts."""
    return sorted((stall for result in results for stall in result.stalls), key=lambda stall: stall.start_ns)


@dataclass(frozen=True)
class EngineCall:
    """One prepared call of the engine, and the array for the descriptors that it holds open (None: it holds none)."""

    storm: PreparedStorm
    attempts: int
    held: npt.NDArray[np.intc] | None


class Worker:
    """One worker. Making it draws its 4-tuples and prepares its first call of the engine, before anything is measured.

    Attributes:
        attempts: how many it makes at most.
        held: descriptors of sockets that stay open.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        ports: PortRange,
        records: npt.NDArray[Any],
        watched: npt.NDArray[np.uint8],
        uses: npt.NDArray[Any] | None = None,
    ) -> None:
        """Prepare the worker's part.

        Args:
            spec: what it does.
            ports: the ephemeral ports.
            records: its own, shape (at least its attempts,), dtype ATTEMPT.
            watched: as the engine takes it, shape (65536,).
            uses: of its own attempts, shape (at least its attempts,), dtype USE, all 0; None: they are not used.
        """
        self.plan = plan = spec.own_plan
        _, generator = seeded_generators(plan.seed)
        self.spec = spec
        self.ports = ports
        self.records = records
        self.watched = watched
        self.uses = uses
        self.attempts = spec.own_attempts(ports)
        self.holds = plan.close is Close.HOLD
        # One process may have only so many sockets that stay open.
        self.room = spec.nofile - plan_rules.DESCRIPTORS_RESERVED - plan.window if self.holds else max(self.attempts, 1)
        self.part = self.room if plan.until_slow is None else min(self.room, round(plan.rate_per_s or PART_ATTEMPTS))
        self.jiffy_ns = jiffy_ns()
        self.interval_ns = round(SECOND_NS * spec.plan.workers / plan.rate_per_s) if plan.rate_per_s else 0
        numbers = four_tuples.draw_order(plan, ports, spec.number % plan.workers, self.attempts, generator)
        self.segments = Segments(plan, ports, numbers, self.attempts, generator)
        self.held: list[int] = []
        self.first_call = self.prepare_call(0)

    def prepare_call(self, recorded: int) -> EngineCall | None:
        """Prepare the call of the engine that comes after so many records; None when all attempts were made."""
        spec, plan = self.spec, self.plan
        if plan.until_slow is not None and count_slow(self.records[:recorded]) >= plan.until_slow:
            return None
        segment = self.segments.next(self.records[:recorded], self.part)
        if segment is None:
            return None
        held = np.full(segment.attempts, -1, np.intc) if self.holds else None
        storm = PreparedStorm(
            self.records[recorded : recorded + segment.attempts],
            target=plan.target,
            target_port=plan.target_port,
            target_ports=plan.target_ports,
            source=plan.source,
            sources=plan.sources,
            ports=segment.policy,
            port_list=segment.port_list,
            address_list=segment.address_list,
            port_range=(self.ports.low, self.ports.high),
            watched=self.watched,
            close=plan.close.value,
            held=held,
            attempts=segment.attempts,
            warmup=spec.own_part(segment.warmup),
            window=plan.window,
            deadline_ns=round((plan.deadline_s or 0) * SECOND_NS),
            interval_ns=self.interval_ns,
            linger2_s=plan.linger2_s,
            socket_filter=spec.socket_filter,
            address=spec.own_address,
            worker=spec.number,
            jiffy_ns=self.jiffy_ns,
            uses=None if self.uses is None else self.uses[recorded : recorded + segment.attempts],
            protocol=plan.protocol.value,
            catch_up_ns=CATCH_UP_NS if plan.world.is_across_link else 0,
        )
        return EngineCall(storm, segment.attempts, held)

    def storm(self, epoch_ns: int, begin_ns: int, holders: DescriptorHolders) -> WorkerResult:
        """Storm from a moment on; sockets that stay open are in ``held`` and, beyond its room, with ``holders``.

        Args:
            epoch_ns: of the run.
            begin_ns: when all workers begin.
            holders: processes that take over what this one has no room for.
        """
        plan = self.spec.plan
        stop_ns = begin_ns + round((plan.duration_s or 0) * SECOND_NS)
        if not plan.has_two_clients:  # these start their attempts in pairs
            begin_ns += self.spec.number * self.interval_ns // plan.workers
        recorded, interrupted = 0, False
        stalls: list[Stall] = []
        stalls_missed = 0
        call = self.first_call
        while call is not None and not (plan.duration_s and now_ns() >= stop_ns):
            if len(self.held) + call.attempts > self.room:
                holders.take(self.held)
                self.held = []
            count, interrupted = call.storm.run(
                epoch_ns=epoch_ns,
                begin_ns=begin_ns,
                duration_ns=max(stop_ns - (begin_ns or now_ns()), 1) if plan.duration_s else 0,
            )
            begin_ns = 0  # further calls begin at once
            recorded += count
            stalls += [Stall(start, end, StallKind(kind), self.spec.number) for start, end, kind in call.storm.stalls()]
            stalls_missed += call.storm.stalls_missed
            if call.held is not None:
                self.held += call.held[:count][call.held[:count] >= 0].tolist()
            call = None if interrupted else self.prepare_call(recorded)
        return WorkerResult(recorded, interrupted, stalls, stalls_missed)

    def close(self) -> None:
        """Close the sockets that were held here."""
        for descriptor in self.held:
            os.close(descriptor)
        self.held = []


def count_slow(records: npt.NDArray[Any]) -> int:
    """Return how many attempts, shape (attempts,), sent a SYN again or failed."""
    return int(((records["retransmits"] > 0) | (records["error"] != 0)).sum())


@contextmanager
def pin_to_cpu(cpu: int | None) -> Iterator[None]:
    """Pin this process to one CPU inside the context; None pins it to none."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if cpu is None else {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
