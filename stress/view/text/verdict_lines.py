# SPDX-License-Identifier: MIT
"""What a run is headed by, its verdict, and what to run next about the server of others."""

from collections.abc import Iterator

from stress.model.outcome import Cause
from stress.model.plan import Plan
from stress.model.record import Record
from stress.model.summary import Summary
from stress.model.text import endpoint_text


def run_heading(plan: Plan) -> str:
    """Return what a report and its pictures are headed by: the server of others, or the scenario."""
    return endpoint_text(plan.target, plan.target_port) if plan.is_external else plan.scenario


def verdict_texts(record: Record, summary: Summary) -> Iterator[tuple[str, str]]:
    """Yield the verdict, and of the server of others what to run next where something is to be told of it."""
    if summary.verdict:
        yield "verdict", summary.verdict
    if not record.plan.is_external:
        return
    counts = {cause: count for cause, count in summary.causes.items() if count and cause != Cause.NONE}
    if counts or summary.old_sockets:
        yield "next", f"connstorm inspect --port {record.plan.target_port} --watch 10 (and your --netns)"
    if named := [cause for cause in counts if cause != Cause.UNKNOWN]:
        yield "", f"connstorm explain --cause {max(named, key=counts.__getitem__)}"
