# SPDX-License-Identifier: MIT
"""The profile of a run as tables for a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from rich.console import Group, RenderableType
from rich.text import Text

from stress.model.profile import ProfileReport
from stress.profile.costs import ActCosts, Cost
from stress.profile.loop_times import LoopTimes
from stress.view.text.plain_table import plain_table
from stress.view.text.profile_wording import DISPLACED, DISPLACED_NOTE, NAMES, SAMPLES_MIN, ns_text
from stress.view.text.whole_table import WholeTable

FUNCTIONS = 20  # of a report


def profile_report(report: ProfileReport, acts: Iterable[ActCosts], *, is_whole: bool = False) -> RenderableType:
    """Return the profile of a run.

    Args:
        report: how it was profiled.
        acts: the costs of each storm.
        is_whole: whether all functions are shown, and not only the first ones.
    """
    if report.failure:
        return Text(f"profile: none. {report.failure}", style="yellow")
    lost = f"; {report.lost:,} were lost" if report.lost else ""
    samples = sum(act.samples for act in report.acts)
    head = Text.assemble(
        ("profile", "bold"), f": {samples:,} samples by {report.program}, {report.rate_hz:,} a second on each CPU{lost}"
    )
    parts: list[RenderableType] = [Text(), head]
    for costs in acts:
        parts += [book_table(costs, has_name=len(report.acts) > 1), *function_parts(costs, is_whole=is_whole)]
        if costs.server.samples:
            parts.append(server_table(costs))
    return Group(*parts)


def book_table(costs: ActCosts, *, has_name: bool) -> WholeTable:
    """Return where the measured time of an attempt went: the samples of the clients' CPUs, and what has none."""
    cpus = f"CPU{'s' * (len(costs.cpus) > 1)} {', '.join(map(str, costs.cpus))}"
    title = f"{costs.act}: " if has_name else ""
    table = plain_table(f"{title}an attempt on the clients' {cpus}", "ns", "±", "samples")
    add_costs(table, [costs.client])
    add_costs(table, costs.calls, indent="  ")
    for cost in costs.here:
        add_costs(table, [cost])
    table.add_row("without a sample", ns_text(costs.unsampled_ns), "", "")
    table.add_section()
    table.add_row("measured by the clock", ns_text(costs.measured_ns), "", "")
    return table


def function_parts(costs: ActCosts, *, is_whole: bool) -> Iterator[RenderableType]:
    """Yield the functions of the clients as a table, and what a mark in it means."""
    seen = [cost for cost in costs.functions if cost.samples >= SAMPLES_MIN]
    shown = seen if is_whole else list(islice(seen, FUNCTIONS))
    table = plain_table("function of the kernel, for the client", "ns with its calls", "±", "ns alone")
    for cost in shown:
        mark = DISPLACED if cost.is_displaced else " "
        table.add_row(cost.name, ns_text(cost.ns), ns_text(cost.error_ns), f"{ns_text(cost.own_ns)}{mark}")
    notes = []
    if any(cost.is_displaced for cost in shown):
        notes.append(DISPLACED_NOTE)
    if len(shown) < len(seen):
        notes.append(f"and {len(seen) - len(shown):,} more: connstorm show RUN --profile")
    yield table
    yield from (Text(note, style="dim") for note in notes)


def server_table(costs: ActCosts) -> WholeTable:
    """Return what the server did for an attempt, on whatever CPU."""
    table = plain_table("the server, on any CPU, for an attempt", "ns", "±", "samples")
    add_costs(table, [costs.server])
    add_costs(table, costs.server_calls, indent="  ")
    return table


def loop_report(why: str, times: Sequence[LoopTimes]) -> RenderableType:
    """Return what the loop's own timestamps say, and why there is no profile."""
    parts: list[RenderableType] = [Text(), Text(f"profile: none, because {why}.", style="yellow")]
    for time in times:
        title = f"{time.act}: " if len(times) > 1 else ""
        table = plain_table(f"{title}an attempt, by the timestamps of the loop", "mean ns")
        table.add_row("connect()", ns_text(time.connect_ns))
        table.add_row("close()", ns_text(time.close_ns))
        table.add_row("all else: socket(), bind(), the loop, waiting", ns_text(time.rest_ns))
        table.add_section()
        table.add_row("measured by the clock", ns_text(time.measured_ns))
        parts.append(table)
    if not times:
        parts.append(Text("Attempts overlap, so that the timestamps of the loop do not say where its time went."))
    return Group(*parts)


def add_costs(table: WholeTable, costs: Sequence[Cost], indent: str = "") -> None:
    """Add a row for each cost; those with few samples share one."""
    for cost in (cost for cost in costs if cost.samples >= SAMPLES_MIN or not indent):
        name = NAMES.get(cost.name, cost.name)
        table.add_row(f"{indent}{name}", ns_text(cost.ns), ns_text(cost.error_ns), f"{cost.samples:,}")
    few = [cost for cost in costs if indent and cost.samples < SAMPLES_MIN]
    if few:
        ns, samples = sum(cost.ns for cost in few), sum(cost.samples for cost in few)
        table.add_row(f"{indent}{len(few):,} more", ns_text(ns), "", f"{samples:,}")
