# SPDX-License-Identifier: MIT
"""What a storm says of itself before it begins, so that another process can see how far it is."""

from collections.abc import Sequence
from itertools import accumulate

from stress.model.progress import StormUnderway
from stress.storm.environment import Environment
from stress.storm.worker import WorkerSpec


def describe_storm(environment: Environment, specs: Sequence[WorkerSpec], descriptor: int) -> StormUnderway:
    """Return where the records of a storm can be read.

    Args:
        environment: of the storm.
        specs: of its workers on this host.
        descriptor: of the buffer of their records.
    """
    plan = specs[0].plan
    counts = [spec.own_attempts(environment.ports) for spec in specs]
    pinned = {*environment.worker_cpus, *environment.listener_cpus}
    return StormUnderway(
        attempts=specs[0].attempts,
        descriptor=descriptor,
        parts=list(zip(accumulate([0, *counts[:-1]]), counts, strict=True)),
        duration_s=plan.duration_s,
        cpus=sorted(cpu for cpu in pinned if cpu is not None),
    )
