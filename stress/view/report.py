# SPDX-License-Identifier: MIT
"""Summaries as text for a terminal."""

from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stress.model.record import Record
from stress.model.summary import Summary
from stress.model.units import duration_text


def plain_table(*columns: str) -> Table:
    """Return a table whose first column is text and whose others are numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=not index)
    return table


def named_counts(counted: dict[str, int]) -> str:
    """Return what occurred: ``27,632 connected, 600 retried``."""
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counted.items() if count) or "none"


def body_text(summary: Summary) -> str:
    """Return the body's percentiles in one line."""
    body = summary.body
    points = (
        ("p50", body.p50_ns),
        ("p90", body.p90_ns),
        ("p99", body.p99_ns),
        ("p99.9", body.p999_ns),
        ("max", body.max_ns),
    )
    found = [f"{name} {duration_text(value_ns)}" for name, value_ns in points if value_ns is not None]
    return ", ".join(found) or "no attempt connected at once"


def report(record: Record, summary: Summary, path: Path) -> RenderableType:
    """Return the summary of one run: facts, bands, books, warnings, and where it lies."""
    facts = Table.grid(padding=(0, 2))
    facts.add_row(
        "[bold]attempts[/]",
        f"{summary.attempts:,} at {summary.rate_per_s:,.0f}/s, all over after {summary.duration_s:.2f} s",
    )
    facts.add_row("[bold]outcomes[/]", named_counts(summary.outcomes))
    facts.add_row("[bold]causes[/]", named_counts(summary.causes))
    facts.add_row("[bold]body[/]", body_text(summary))
    bands = [band for band in summary.bands if band.count]
    if bands:
        facts.add_row("[bold]retries[/]", ", ".join(f"{band.count:,} in the {band.label} band" for band in bands))
    if summary.mines.laid:
        facts.add_row(
            "[bold]mines[/]",
            f"{summary.mines.laid:,} laid, {summary.mines.found:,} met by "
            f"{summary.collisions:,} attempts, {summary.mines.left:,} left",
        )
    facts.add_row("[bold]kernel[/]", f"Linux {record.host.kernel}, HZ={round(1e9 / record.host.jiffy_ns)}")
    if record.stolen_ms:
        facts.add_row("[bold]stolen[/]", f"{record.stolen_ms:,} ms of CPU time, by a hypervisor, during the storm")
    facts.add_row("[bold]run[/]", str(path))
    heading = Text(f"{record.plan.scenario}", style="bold underline")
    return Group(heading, facts, books(summary), *warning_lines(summary.warnings))


def books(summary: Summary) -> Table:
    """Return the books: each claim beside its counter."""
    table = plain_table("books: the attempts say", "count", "kernel counter", "change", "")
    table.columns[2].justify = "left"
    for claim in summary.books:
        table.add_row(
            claim.claim,
            f"{claim.value:,}",
            claim.counter,
            f"{claim.delta:,}",
            "[green]=[/]" if claim.balanced else f"[red]≠ {claim.delta - claim.value:+,}[/]",
        )
    return table


def warning_lines(warnings: Iterable[str]) -> list[Text]:
    """Return each warning as a line."""
    return [Text(f"warning: {warning}", style="yellow") for warning in warnings]
