# SPDX-License-Identifier: MIT
"""A storm against an external server from its start to its end: the target settled, the bounds said, the plan done."""

import dataclasses
from contextlib import ExitStack
from pathlib import Path

import msgspec

from stress.lab import host_names
from stress.lab.capture import Packets
from stress.lab.kernel_word.asked import AskedKernel
from stress.model.plan import Plan
from stress.model.progress import ProgressCallback, StormCallback, ignore_progress, ignore_storm
from stress.model.run import Run
from stress.model.text import endpoint_text, plural
from stress.storm import run_plan
from stress.storm.check import plan_rules
from stress.storm.external_server import external_faults
from stress.storm.external_target import settle_target


def storm_external_server(
    plan: Plan,
    asked: AskedKernel | None = None,
    notify: ProgressCallback = ignore_progress,
    folder: Path | None = None,
    hosts: Path = host_names.HOSTS,
    *,
    announce: StormCallback = ignore_storm,
) -> tuple[Run, list[Packets], int]:
    """Carry out a plan against the server at its target; return as ``run_plan.carry_out`` does.

    Args:
        plan: what to do; its target may be a name.
        asked: the kernel's own word, where this process asked for it before it entered a user namespace; None asks now.
        notify: called with each stage as it begins.
        folder: for records that do not fit into memory.
        hosts: the file of host names.
        announce: called when each storm is about to begin.

    Raises:
        UsageError: the plan is invalid, its target is not local or may be carried elsewhere, or nobody listens there;
            nothing was sent.
    """
    plan_rules.refuse(external_faults(plan))
    settled, warnings = settle_target(plan, hosts)
    notify(f"{endpoint_text(settled.target, settled.target_port)}: {describe_bounds(settled)}")
    with ExitStack() as to_the_end:
        asked = asked or to_the_end.enter_context(AskedKernel(plan.evidence))
        run, packets, epoch_ns = run_plan.carry_out(settled, notify, folder, asked, announce=announce)
    record = msgspec.structs.replace(run.record, warnings=[*run.record.warnings, *warnings])
    return dataclasses.replace(run, record=record), packets, epoch_ns


def describe_bounds(plan: Plan) -> str:
    """Return the bounds of a storm in words."""
    rate = "as fast as it can" if plan.rate_per_s is None else f"{plan.rate_per_s:,g} a second"
    count = plan.until_slow
    until = "" if count is None else f", until {plural(count, 'slow one is', 'slow ones are')} caught"
    return (
        f"at most {plural(plan.attempts or 0, 'attempt')}, {rate}, none later than {plan.duration_s:g} s after the "
        f"first, each given up after {plan.deadline_s:g} s{until}"
    )
