# SPDX-License-Identifier: MIT
"""A worker: its share of a storm, fired from this process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from stress._fastconnect import now_ns, storm
from stress.lab.fd_holder import Holders
from stress.model.plan import Close, Plan
from stress.model.units import SECOND_NS
from stress.storm import four_tuples
from stress.storm.check import plan_rules
from stress.storm.ports import PortRange, seeded_generators
from stress.storm.segment import Segments


class WorkerSpec(msgspec.Struct, frozen=True):
    """What one of a plan's workers does.

    Attributes:
        plan: of the act.
        number: the worker, from 0 on.
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

    def rows(self, ports: PortRange) -> int:
        """Return how many attempts are this worker's; whole sweeps are whole sweeps of each worker's 4-tuples."""
        every = self.plan.addresses * len(ports) if self.plan.ports.sweeping else self.attempts
        sweeps, rest = divmod(self.attempts, max(every, 1))
        return sweeps * self.of(every) + self.of(rest)

    def of(self, count: int) -> int:
        """Return this worker's part of a number, dealt one by one."""
        return len(range(self.number, count, self.plan.workers))


class WorkerResult(msgspec.Struct, frozen=True, tag="fired"):
    """What became of a share: how many attempts were recorded, and whether SIGINT came."""

    recorded: int
    interrupted: bool


class Worker:
    """One worker. Making it draws its 4-tuples, before anything is measured."""

    def __init__(self, share: WorkerSpec, ports: PortRange) -> None:
        _, generator = seeded_generators(share.plan.seed)
        self.share = share
        self.ports = ports
        self.attempts = share.rows(ports)
        listed = four_tuples.draw_order(share.plan, ports, share.number, self.attempts, generator)
        self.segments = Segments(share.plan, ports, listed, self.attempts, generator)
        self.held: list[int] = []

    def storm(
        self, records: npt.NDArray[Any], watched: npt.NDArray[np.uint8], epoch_ns: int, begin_ns: int, holders: Holders
    ) -> WorkerResult:
        """Fire the share, beginning at a moment; sockets that stay open are in ``held`` or with ``holders``.

        Of sockets that stay open one process may have only so many: the others go to holders.
        """
        share, plan = self.share, self.share.plan
        holding = plan.close is Close.HOLD
        room = share.nofile - plan_rules.DESCRIPTORS_RESERVED - plan.window if holding else max(self.attempts, 1)
        stop_ns = begin_ns + round((plan.duration_s or 0) * SECOND_NS)
        interval_ns = round(SECOND_NS * plan.workers / plan.rate_per_s) if plan.rate_per_s else 0
        begin_ns += share.number * interval_ns // plan.workers
        recorded, interrupted = 0, False
        while (segment := self.segments.next(records[:recorded], room)) and not interrupted:
            if plan.duration_s and now_ns() >= stop_ns:
                break
            if len(self.held) + segment.attempts > room:
                holders.take(self.held)
                self.held = []
            held = np.full(segment.attempts, -1, np.intc) if holding else None
            pairs, port_list = four_tuples.split_numbers(segment.listed) if segment.listed is not None else (None, None)
            done, interrupted = storm(
                records[recorded : recorded + segment.attempts],
                target=plan.target,
                target_port=plan.target_port,
                target_ports=plan.target_ports,
                source=plan.source,
                sources=plan.sources,
                ports=segment.policy,
                port_list=port_list,
                address_list=pairs if plan.addresses > 1 else None,
                port_range=(self.ports.low, self.ports.high),
                watched=watched,
                close=plan.close.value,
                held=held,
                attempts=segment.attempts,
                warmup=share.of(segment.warmup),
                window=plan.window,
                epoch_ns=epoch_ns,
                begin_ns=begin_ns,
                duration_ns=max(stop_ns - max(now_ns(), begin_ns), 1) if plan.duration_s else 0,
                deadline_ns=round((plan.deadline_s or 0) * SECOND_NS),
                interval_ns=interval_ns,
                linger2_s=plan.linger2_s,
                socket_filter=share.socket_filter,
                address=share.first_address,
                worker=share.number,
            )
            recorded += done
            if held is not None:
                self.held += held[:done][held[:done] >= 0].tolist()
        return WorkerResult(recorded, interrupted)

    def close(self) -> None:
        """Close the sockets that were held here."""
        for descriptor in self.held:
            os.close(descriptor)
        self.held = []


@contextmanager
def pin_to_cpu(cpu: int | None) -> Iterator[None]:
    """Keep this process on one CPU meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if cpu is None else {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
