# SPDX-License-Identifier: MIT
"""Summaries as text for a terminal."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stress.model.record import Pair, Record
from stress.model.summary import Summary
from stress.model.text import number_text
from stress.model.units import duration_text
from stress.view.text.books_table import Books
from stress.view.text.count_wording import counts_text
from stress.view.text.listener_table import listener_table, neighbour_lines
from stress.view.text.packet_ladder import packet_ladder
from stress.view.text.packet_wording import first_of_every_cause
from stress.view.text.peer_table import clock_lines, link_tables
from stress.view.text.plain_table import plain_table
from stress.view.text.proof_table import bound_lines, hint_lines, proofs_table
from stress.view.text.proof_wording import evidence_text
from stress.view.text.run_wording import run_facts
from stress.view.text.verdict_lines import run_heading


def run_report(record: Record, summary: Summary, path: Path, *, with_books: bool = False) -> RenderableType:
    """Return the summary of one run: facts, acts, proofs, listeners, figures, socket pairs, packets, books, warnings.

    The first line says which evidence was used, and whether the books balance. ``with_books`` shows all of these on
    narrow terminals, too.
    """
    head = Text.assemble((run_heading(record.plan), "bold underline"), ": ", (evidence_text(record, summary), "bold"))
    parts: list[RenderableType] = [head, facts_table(record, summary, path)]
    if summary.acts:
        parts.append(acts_table(summary))
    if summary.proofs:
        parts.append(proofs_table(summary.proofs))
    parts.extend((*bound_lines(summary.bounds), *hint_lines(summary.hints)))
    parts.extend(link_tables(record.acts))
    if (listeners := listener_table(record.acts)) is not None:
        parts.append(listeners)
    parts.extend(neighbour_lines(record.acts))
    if summary.figures:
        parts.append(figures_table(summary))
    if pairs := [pair for act in record.acts for pair in act.pairs]:
        parts.append(socket_pairs_text(pairs))
    parts.extend(packet_ladder(evidence) for evidence in first_of_every_cause(summary.evidence))
    parts.extend(clock_lines(record, summary.evidence))
    if summary.books:
        parts.append(Books(summary.books, with_books))
    parts.extend(warning_lines(summary.warnings))
    return Group(*parts)


def facts_table(record: Record, summary: Summary, path: Path) -> Table:
    """Return the facts about the whole run."""
    table = Table.grid(padding=(0, 2))
    for name, text in (*run_facts(record, summary), ("run", str(path))):
        # Texts of others may have brackets; a path that is longer than the line is broken, not cut.
        table.add_row(Text(name, style="bold"), Text(text, overflow="fold"))
    return table


def acts_table(summary: Summary) -> Table:
    """Return one row per act."""
    table = plain_table("act", "attempts", "p50", "p99", "outcomes", "causes")
    for act in summary.acts:
        p50, p99 = (duration_text(ns) if ns is not None else "–" for ns in (act.body.p50_ns, act.body.p99_ns))
        table.add_row(act.act, f"{act.attempts:,}", p50, p99, counts_text(act.outcomes), counts_text(act.causes))
    for column in table.columns[4:]:
        column.justify = "left"
    return table


def figures_table(summary: Summary) -> Table:
    """Return the scenario's own figures: one row per figure, one column per act."""
    names = list(dict.fromkeys(figure.act for figure in summary.figures))
    table = plain_table("", *(name if len(names) > 1 else "" for name in names), "")
    table.columns[-1].justify = "left"
    for name, unit in dict.fromkeys((figure.name, figure.unit) for figure in summary.figures):
        values = {figure.act: figure.value for figure in summary.figures if figure.name == name}
        table.add_row(name, *(number_text(values.get(act)) for act in names), unit)
    return table


def socket_pairs_text(pairs: Iterable[Pair]) -> Table:
    """Return the socket pairs that a census saw while a client waited, in the columns of ss."""
    table = plain_table("while a client waited", "state", "Recv-Q", "local", "peer")
    for pair in pairs:
        when = duration_text(pair.seen_ns)
        table.add_row(f"{when} into the storm", pair.client_state, "", pair.client, pair.server)
        table.add_row("", pair.server_state, str(pair.receive_queue), pair.server, pair.client)
    return table


def warning_lines(warnings: Iterable[str]) -> list[Text]:
    """Return each warning as a line."""
    return [Text(f"warning: {warning}", style="yellow") for warning in warnings]
