# SPDX-License-Identifier: MIT
"""A trial: a plan in, a run out, in this process and its network namespace."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import stress
from stress._fastconnect import now_ns
from stress.lab import host, namespace, overhead
from stress.lab.capture import Packets
from stress.model.plan import Plan
from stress.model.progress import Notify
from stress.model.record import Record
from stress.model.run import Run
from stress.storm.check import plan_rules
from stress.storm.client import ActResult, Client
from stress.storm.environment import Environment

MINES_IN_HOST_TABLE = 50_000
EHASH_PER_MINE = 2


def carry_out(
    plan: Plan, notify: Notify = lambda _: None, folder: Path | None = None
) -> tuple[Run, list[Packets], int]:
    """Carry out a plan; return what was observed, each act's packets when they were captured, and the epoch (ns).

    SIGINT during a storm ends it, leaves out the acts after it and keeps what was recorded.

    Args:
        plan: what to do.
        notify: is told each stage as it begins; never during a storm itself.
        folder: for records that are too many for memory.

    Raises:
        UsageError: the plan cannot be, or not here; nothing was started.
        LabError: the world under test could not be made.
    """
    plan_rules.refuse(plan_rules.plan_faults(plan))
    started = datetime.now(UTC)
    plans = plan.storms()
    parts: list[ActResult] = []
    interrupted = False
    costs = overhead.measure(plan.family)
    first_address = 0
    with ExitStack() as to_the_end, ExitStack() as old:
        try:
            for number, (name, each) in enumerate(plans.items()):
                tell = notify if len(plans) == 1 else ActProgress(notify, name, number + 1, len(plans))
                begun_ns = now_ns()
                if each.fresh or not parts:
                    old.close()
                    entries = ehash_entries(each)
                    if (parts or entries) and not plan.host:
                        namespace.another(entries)
                    world = old.enter_context(Environment(each, tell))
                    world.serve(plan_rules.attempt_count(each, world.ports))
                client = Client(world, each, name, first_address=first_address, notify=tell, folder=folder)
                first_address += each.addresses
                last = to_the_end if number + 1 == len(plans) else None
                parts.append(client.storm(begun_ns, parts[0].epoch_ns if parts else None, last))
                if interrupted := parts[-1].interrupted:
                    break
        except KeyboardInterrupt:  # between two acts; those before are worth keeping
            if not parts:
                raise
            interrupted = True
    record = Record(
        id=secrets.token_hex(3),
        program=f"connstorm {stress.__version__}",
        started_utc=started.isoformat(timespec="milliseconds"),
        plan=plan,
        host=host.facts(),
        harness=costs,
        acts=[part.act for part in parts],
        interrupted=interrupted,
        warnings=list(run_warnings(plan, parts, interrupted=interrupted)),
    )
    attempts = parts[0].attempts if len(parts) == 1 else np.concatenate([part.attempts for part in parts])
    run = Run(record, attempts, np.concatenate([part.mines for part in parts]))
    return run, [part.packets for part in parts if part.packets is not None], parts[0].epoch_ns


def ehash_entries(plan: Plan) -> int:
    """Return how many buckets of established sockets a plan needs for itself; 0 when the host's will do.

    Mines fill the table that all namespaces share, and every SYN and ACK then walks longer chains: with a million of
    them in 262,144 buckets a connection takes half as long again.
    """
    return EHASH_PER_MINE * plan.mines if plan.mines > MINES_IN_HOST_TABLE else 0


@dataclass(frozen=True)
class ActProgress:
    """Says which act of how many is at a stage."""

    notify: Notify
    name: str
    number: int
    total: int

    def __call__(self, stage: str) -> None:
        """Pass a stage on."""
        self.notify(f"act {self.number} of {self.total}, {self.name}: {stage}")


def run_warnings(plan: Plan, parts: list[ActResult], *, interrupted: bool) -> Iterator[str]:
    """Yield what a reader of the result must know."""
    if interrupted:
        yield "The storm was interrupted: its records end early, and attempts in flight are unfinished."
    if len(parts) < len(plan.acts):
        yield f"Of {len(plan.acts)} acts the last {len(plan.acts) - len(parts)} did not happen."
    if plan.host:
        yield (
            "This ran on the host's own network stack: the counters include everybody's connections, and "
            "no setting was changed."
        )
    for part in parts:
        yield from part.warnings
