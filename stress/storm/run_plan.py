# SPDX-License-Identifier: MIT
"""Carry out a plan in this process and its network namespace: a plan in, a run out."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

import stress
from stress._fastconnect import now_ns
from stress.lab import host, namespace, overhead
from stress.lab.capture import Packets
from stress.lab.kernel_word.asked import AskedKernel
from stress.lab.kernel_word.word import KernelWord
from stress.model.attempt import USE
from stress.model.plan import LOOPBACK, Plan
from stress.model.progress import ProgressCallback, ignore_progress
from stress.model.record import Record
from stress.model.run import Run, no_uses
from stress.model.world import Topology
from stress.storm.check import plan_rules
from stress.storm.client import ActResult, Client
from stress.storm.environment import Environment
from stress.storm.external_server import ExternalEnvironment, external_faults

MINES_IN_HOST_TABLE = 50_000
EHASH_PER_MINE = 2


def carry_out(
    plan: Plan,
    notify: ProgressCallback = ignore_progress,
    folder: Path | None = None,
    asked: AskedKernel | None = None,
) -> tuple[Run, list[Packets], int]:
    """Carry out a plan; return what was observed, each act's packets when they were captured, and the epoch (ns).

    SIGINT during a storm ends it, leaves out the acts after it, and what was recorded is returned.

    Args:
        plan: what to do.
        notify: called with each stage as it begins; never during a storm itself.
        folder: for records that do not fit into memory.
        asked: the kernel's own word; it had to be asked for before this process entered its namespace.

    Raises:
        UsageError: the plan is invalid, or cannot be carried out here; nothing was started.
        LabError: no connection can be made here, or the environment could not be made.
    """
    plan_rules.refuse(external_faults(plan) if plan.is_external else plan_rules.plan_faults(plan))
    started = datetime.now(UTC)
    # The hosts of a world do not exist yet; recording costs the same on the loopback.
    is_alone = plan.world.topology is Topology.LOOPBACK
    source, target = (plan.source, plan.target) if is_alone else (LOOPBACK[plan.family],) * 2
    # At the port of others no connection is made but those of the storm.
    costs = None if plan.is_external else overhead.measure_overhead(source, target, plan.target_port)
    with ExitStack() as to_the_end:
        results, interrupted = run_acts(plan, notify, folder, asked.word if asked else None, to_the_end)
    record = Record(
        id=secrets.token_hex(3),
        program=f"connstorm {stress.__version__}",
        started_utc=started.isoformat(timespec="milliseconds"),
        plan=plan,
        host=host.read_host(),
        overhead=costs,
        acts=[result.act for result in results],
        interrupted=interrupted,
        warnings=[*refusals(asked), *run_warnings(plan, results, interrupted=interrupted)],
    )
    attempts = results[0].attempts if len(results) == 1 else np.concatenate([result.attempts for result in results])
    mines, events = (np.concatenate([getattr(result, name) for result in results]) for name in ("mines", "events"))
    run = Run(record, attempts, mines, events, gather_uses(results))
    return run, [result.packets for result in results if result.packets is not None], results[0].epoch_ns


def gather_uses(results: list[ActResult]) -> npt.NDArray[Any]:
    """Return the uses of all acts, shape (attempts,), 0 in those that used none; shape (0,) where no act used any."""
    if not any(len(result.uses) for result in results):
        return no_uses()
    return np.concatenate(
        [result.uses if len(result.uses) else np.zeros(len(result.attempts), USE) for result in results]
    )


def run_acts(
    plan: Plan, notify: ProgressCallback, folder: Path | None, word: KernelWord | None, to_the_end: ExitStack
) -> tuple[list[ActResult], bool]:
    """Run the acts of a plan, each in an environment of its own or in that of the act before; one result at least.

    Returns the results, and whether the run was interrupted; after an interrupt these are the results so far.
    """
    plans = plan.storms()
    results: list[ActResult] = []
    with Acts(plan, folder, word) as acts:
        try:
            for number, (name, act) in enumerate(plans.items(), start=1):
                progress = notify if len(plans) == 1 else ActProgress(notify, name, number, len(plans))
                result = acts.run(name, act, progress, to_the_end if number == len(plans) else None)
                results.append(result)
                if result.interrupted:
                    return results, True
        except KeyboardInterrupt:
            if not results:
                raise
            return results, True
    return results, False


class Acts:
    """The acts of one run: the environment of the last, the epoch, and how many addresses are numbered.

    A context manager; leaving it ends the environment.
    """

    def __init__(self, plan: Plan, folder: Path | None, word: KernelWord | None) -> None:
        self.plan = plan
        self.folder = folder
        self.word = word
        self.stack = ExitStack()
        self.environment: Environment | None = None
        self.epoch_ns: int | None = None
        self.first_address = 0

    def run(self, name: str, act: Plan, notify: ProgressCallback, to_the_end: ExitStack | None) -> ActResult:
        """Run the next act; the arguments are as of ``Client``, and of its ``storm``."""
        begun_ns = now_ns()
        environment = self.environment
        if act.fresh or environment is None:
            environment = self.begin_environment(act, notify)
        client = Client(
            environment,
            act,
            name,
            first_address=self.first_address,
            notify=notify,
            folder=self.folder,
            word=self.word,
        )
        self.first_address += act.addresses
        result = client.storm(begun_ns, self.epoch_ns, to_the_end)
        self.epoch_ns = result.epoch_ns
        return result

    def begin_environment(self, act: Plan, notify: ProgressCallback) -> Environment:
        """End the environment of the act before, if any, and make one for this act in a network of its own."""
        self.stack.close()
        entries = ehash_entries(act)
        if (self.environment is not None or entries) and not self.plan.host:
            namespace.enter_new_network(entries)
        made = ExternalEnvironment(act) if act.is_external else Environment(act, notify)
        self.environment = self.stack.enter_context(made)
        self.environment.serve(plan_rules.attempt_count(act, self.environment.ports))
        return self.environment

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.close()


def ehash_entries(plan: Plan) -> int:
    """Return how many buckets of established sockets a plan needs for itself; 0 when the host's table is enough.

    Mines fill the table that all namespaces share, and every SYN and ACK then walks longer chains: with a million of
    them in 262,144 buckets a connection takes half as long again.
    """
    return EHASH_PER_MINE * plan.mines if plan.mines > MINES_IN_HOST_TABLE else 0


@dataclass(frozen=True)
class ActProgress:
    """A progress callback that says which act of how many a stage belongs to."""

    notify: ProgressCallback
    name: str
    number: int
    total: int

    def __call__(self, stage: str) -> None:
        """Report a stage."""
        self.notify(f"act {self.number} of {self.total}, {self.name}: {stage}")


def refusals(asked: AskedKernel | None) -> list[str]:
    """Return why the kernel's own word was not to be had, if it was asked for."""
    return [asked.refusal] if asked and asked.refusal else []


def run_warnings(plan: Plan, results: list[ActResult], *, interrupted: bool) -> Iterator[str]:
    """Yield sentences that a reader of the run must know."""
    if interrupted:
        yield "The storm was interrupted: its records end early, and attempts in flight are unfinished."
    if len(results) < len(plan.acts):
        yield f"Of {len(plan.acts)} acts the last {len(plan.acts) - len(results)} did not happen."
    if plan.host:
        where = "where the server is" if plan.is_external else "on the host's own network stack"
        yield f"This ran {where}: the counters include everybody's connections, and no setting was changed."
    for result in results:
        yield from result.warnings
