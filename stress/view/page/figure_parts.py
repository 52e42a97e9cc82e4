# SPDX-License-Identifier: MIT
"""The figures of acts and runs, each with how to read them."""

from collections.abc import Iterable, Iterator

from stress.model.record import Record
from stress.model.summary import ActSummary, Body, Summary
from stress.model.text import number_text
from stress.model.units import duration_text
from stress.view.page.document import Fact, Figures, PageCell, PageColumn, PageTable
from stress.view.text.count_wording import counts_text, name_in_words
from stress.view.text.run_wording import run_facts

PERCENTILES = (("p50", "p50_ns"), ("p90", "p90_ns"), ("p99", "p99_ns"), ("p99.9", "p999_ns"), ("max", "max_ns"))
READING = (
    "Body: the attempts that connected at once; half took no longer than p50, one in a hundred longer than p99. "
    "Whatever waited for a SYN sent again, or failed, is in the counts, never in the percentiles."
)
NOT_SHOWN = ("run", "next", "")  # facts that the page shows elsewhere


def run_figures(record: Record, summary: Summary, title: str) -> Figures:
    """Return the figures of a whole run."""
    facts = (Fact(name, text) for name, text in run_facts(record, summary) if name not in NOT_SHOWN)
    return Figures(title, tuple(facts), READING)


def act_figures(summary: ActSummary) -> Figures:
    """Return the figures of one act."""
    counts = [*count_facts("outcome", summary.outcomes), *count_facts("cause", summary.causes)]
    facts = (Fact("attempts", f"{summary.attempts:,}"), *body_facts(summary.body), *counts)
    return Figures(summary.act, facts, READING)


def body_facts(body: Body) -> Iterator[Fact]:
    """Yield the percentiles of the body."""
    for name, field in PERCENTILES:
        value_ns = getattr(body, field)
        yield Fact(f"body {name}", "–" if value_ns is None else duration_text(value_ns))


def count_facts(kind: str, counts: dict[str, int]) -> Iterator[Fact]:
    """Yield the counts above 0, with what they count."""
    for name, count in counts.items():
        if count:
            yield Fact(f"{kind} {name_in_words(name)}", f"{count:,}")


def acts_table(summary: Summary) -> PageTable:
    """Return one row per act, with its percentiles, outcomes and causes."""
    heads = (*(name for name, _ in PERCENTILES[:3]), "outcomes", "causes")
    columns = (
        PageColumn("act"),
        PageColumn("attempts", is_number=True),
        *(PageColumn(head, is_number=head.startswith("p")) for head in heads),
    )
    rows = tuple(act_cells(act) for act in summary.acts)
    return PageTable("acts", "The acts of this run", columns, rows, is_sortable=len(rows) > 1)


def act_cells(act: ActSummary) -> tuple[PageCell, ...]:
    """Return the row of an act."""
    times = (getattr(act.body, field) for _, field in PERCENTILES[:3])
    return (
        PageCell(act.act, order=act.act),
        PageCell(f"{act.attempts:,}", order=act.attempts),
        *(PageCell("–") if ns is None else PageCell(duration_text(ns), order=ns) for ns in times),
        *(PageCell(counts_text(counts), order=counts_text(counts)) for counts in (act.outcomes, act.causes)),
    )


def scenario_table(summary: Summary) -> Iterable[PageTable]:
    """Yield the figures that the scenario was made to measure: one row per figure, one column per act."""
    if not summary.figures:
        return
    acts = list(dict.fromkeys(figure.act for figure in summary.figures))
    columns = (
        PageColumn("figure"),
        *(PageColumn(act if len(acts) > 1 else "value", is_number=True) for act in acts),
        PageColumn("unit"),
    )
    rows = []
    for name, unit in dict.fromkeys((figure.name, figure.unit) for figure in summary.figures):
        values = {figure.act: figure.value for figure in summary.figures if figure.name == name}
        cells = (PageCell(number_text(values.get(act)), order=values.get(act)) for act in acts)
        rows.append((PageCell(name, order=name), *cells, PageCell(unit, order=unit)))
    yield PageTable("scenario", "What this scenario measures", columns, tuple(rows))
