# SPDX-License-Identifier: MIT
"""Carry out a plan in this process and its network namespace: a plan in, a run out."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

import stress
from stress.lab import host, overhead
from stress.lab.capture import Packets
from stress.lab.checkout import program_commit
from stress.lab.kernel_word.asked import AskedKernel
from stress.model.attempt import USE
from stress.model.plan import LOOPBACK, Plan
from stress.model.progress import ProgressCallback, StormCallback, ignore_progress, ignore_storm
from stress.model.record import Overhead, Record
from stress.model.run import Run, no_uses
from stress.model.world import Topology
from stress.storm.act_result import ActResult
from stress.storm.acts import Acts, ActsResult, run_acts
from stress.storm.check import plan_rules
from stress.storm.external_server import external_faults
from stress.storm.peer.far_client import meet_server_from
from stress.storm.peer.joined_peer import JoinedPeer
from stress.storm.peer.link_faults import link_faults
from stress.storm.peer.meeting import meet_server
from stress.storm.profiler import Profiler

AS_IT_IS = "the counters include everybody's connections, and no setting was changed."
WHERE_THE_SERVER_IS = f"This ran where the server is: {AS_IT_IS}"
ON_THE_HOST = f"This ran on the host's own network stack: {AS_IT_IS}"


def carry_out(
    plan: Plan,
    notify: ProgressCallback = ignore_progress,
    folder: Path | None = None,
    asked: AskedKernel | None = None,
    peer: JoinedPeer | None = None,
    *,
    announce: StormCallback = ignore_storm,
    profiler: Profiler | None = None,
) -> tuple[Run, list[Packets], int]:
    """Carry out a plan; return what was observed, each act's packets when they were captured, and the epoch (ns).

    SIGINT during a storm ends it, leaves out the acts after it, and what was recorded is returned.

    Args:
        plan: what to do.
        notify: called with each stage as it begins; never during a storm itself.
        folder: for records that do not fit into memory.
        asked: the kernel's own word; it had to be asked for before this process entered its namespace.
        peer: the serving host of a storm across a link, which has agreed to the plan.
        announce: called when each storm is about to begin.
        profiler: records stacks during each storm.

    Raises:
        UsageError: the plan is invalid, or cannot be carried out here; nothing was started.
        LabError: no connection can be made here, or the environment could not be made.
    """
    plan_rules.refuse(external_faults(plan) if plan.is_external else plan_rules.plan_faults(plan))
    started, commit = datetime.now(UTC), program_commit()
    costs = measure_costs(plan)
    if peer is not None:
        plan_rules.refuse(link_faults(plan, peer))
        first = next(iter(plan.storms().values()))
        meet_server(peer, first)
        for client in peer.clients:
            meet_server_from(client, peer, first)
    with ExitStack() as to_the_end:
        with Acts(plan, folder, asked.word if asked else None, peer, announce=announce, profiler=profiler) as acts:
            ended = run_acts(plan, notify, acts, to_the_end)
            results = ended.results
        record = Record(
            id=secrets.token_hex(3),
            program=f"connstorm {stress.__version__}",
            started_utc=started.isoformat(timespec="milliseconds"),
            plan=plan,
            host=host.read_host(),
            overhead=costs,
            acts=[result.act for result in results],
            interrupted=ended.interrupted,
            warnings=[*refusals(asked), *(peer.warnings if peer else ()), *run_warnings(plan, ended, peer)],
            boot_id=host.boot_id() or msgspec.UNSET,
            commit=commit or msgspec.UNSET,
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


def refusals(asked: AskedKernel | None) -> list[str]:
    """Return why the kernel's own word was not to be had, if it was asked for."""
    return [asked.refusal] if asked and asked.refusal else []


def measure_costs(plan: Plan) -> Overhead | None:
    """Return what recording an attempt costs here; None at the port of others, where nothing but the storm connects."""
    if plan.is_external:
        return None
    if plan.world.topology is Topology.LOOPBACK:
        return overhead.measure_overhead(plan.source, plan.target, plan.target_port)
    # The hosts of a world do not exist yet, and across a link nothing is sent yet; it costs the same on the loopback.
    port = 0 if plan.world.topology is Topology.PEER else plan.target_port
    return overhead.measure_overhead(LOOPBACK[plan.family], LOOPBACK[plan.family], port)


def run_warnings(plan: Plan, ended: ActsResult, peer: JoinedPeer | None) -> Iterator[str]:
    """Yield sentences that a reader of the run must know."""
    results = ended.results
    if ended.interrupted:
        yield "The storm was interrupted: its records end early, and attempts in flight are unfinished."
    if len(results) < len(plan.acts):
        yield f"Of {len(plan.acts)} acts the last {len(plan.acts) - len(results)} did not happen."
    if peer is not None and ended.lost is not None:
        yield f"The control channel was lost between two storms: {ended.lost.rstrip('.')}."
    if plan.world.topology is Topology.PEER:
        hosts = f"{2 + len(plan.clients)}" if plan.clients else "two"
        yield f"This ran on {hosts} hosts as they are: their counters include everybody's connections."
    elif plan.host:
        yield WHERE_THE_SERVER_IS if plan.is_external else ON_THE_HOST
    for result in results:
        yield from result.warnings
