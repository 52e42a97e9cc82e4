# SPDX-License-Identifier: MIT
"""The document of one suite: its cells against their baselines."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.metric import METRICS, Metric, find_metric
from stress.analysis.statistics.trials import CellTrials, Effect, better_or_worse, estimate_cell, values_by_block
from stress.model.outcome import Cause
from stress.model.suite import Fingerprint, TrialRecord
from stress.model.summary import Summary
from stress.model.units import kernel_text
from stress.store.suite_folder import Manifest
from stress.view.page.document import (
    Command,
    Document,
    Fact,
    Figures,
    Interactive,
    Notice,
    PageCell,
    PageColumn,
    PageTable,
)
from stress.view.page.forest_part import CellChange, cell_forest
from stress.view.page.notice_parts import DIFFERENCE, FAILED, INCOMPLETE, trial_notices, warning_notices
from stress.view.page.proof_parts import books_parts, cause_parts, packet_ladders, unproved_sentences
from stress.view.text import metric_wording as words
from stress.view.text.plan_command import run_command
from stress.view.text.suite_headline import change_sentences, changed_cells, compared_rows, suite_headline
from stress.view.text.suite_rows import SuiteRow, link_notes, suite_rows
from stress.view.text.table import Tone

TONES = {"worse": Tone.WORSE, "better": Tone.BETTER, None: Tone.STRONG}
READING = (
    "Medians over trials, each with the interval that holds the true one. Body: attempts that connected at once; "
    "whatever waited for a SYN sent again, or failed, is in the counts."
)
FIGURES_OF = ("rate", "body.p50", "body.p90", "body.p99", "body.p999", "body.max", "duration")
CELL_COMMANDS_MAX = 12


@dataclass(frozen=True)
class SuiteResults:
    """A suite as it is on the disk.

    Attributes:
        manifest: the suite.
        records: of the trials that have ended.
        cells: with the trials of each.
        source: the text of its file; None where a program made it.
    """

    manifest: Manifest
    records: Sequence[TrialRecord]
    cells: Sequence[CellTrials]
    source: str | None


def suite_document(results: SuiteResults, interactive: Interactive | None = None, note: str = "") -> Document:
    """Return the document of a suite."""
    cells, file = results.cells, results.manifest
    changed = changed_cells(compared_rows(cells))
    forest = cell_forest(list(cell_changes(cells)))
    summaries = summaries_by_cell(cells)
    return Document(
        title=f"suite {file.suite.name}, {file.started_utc[:16].replace('T', ' ')} UTC",
        verdict=f"{suite_headline(cells)}.",
        details=tuple(change_sentences(cells)),
        tone=Tone.WORSE if any(cell.is_worse for cell in changed) else Tone.BETTER if changed else Tone.PLAIN,
        facts=tuple(suite_facts(results)),
        notices=tuple(suite_notices(results)),
        graphics=(forest,) if forest else (),
        tables=(cells_table(cells),),
        figures=tuple(cell_figures(row) for row in suite_rows(cells, ()) if row.trials.done),
        interactive=interactive,
        interactive_note=note,
        causes=cause_parts(summaries),
        proofs_of="Of the first trial of each cell; the table has the medians of all.",
        unproved=unproved_sentences(summaries),
        ladders=packet_ladders(summaries),
        books=books_parts(summaries),
        commands=tuple(suite_commands(results)),
    )


def suite_facts(results: SuiteResults) -> Iterator[Fact]:
    """Yield what made the suite, where, and how much of it is done."""
    file = results.manifest
    prints = [*file.fingerprints.items(), *file.kernels.items(), *file.peers.items()]
    yield Fact("program", ", ".join(dict.fromkeys(fingerprint.program for _, fingerprint in prints)))
    for name, fingerprint in prints:
        yield Fact(f"host {name}", fingerprint_text(fingerprint))
    trials = file.suite.trials * len(results.cells)
    yield Fact("trials", f"{sum(len(cell.done) for cell in results.cells):,} of {trials:,} done")
    if file.suite.description:
        yield Fact("about", file.suite.description)


def fingerprint_text(fingerprint: Fingerprint) -> str:
    """Return the kernel and the CPUs of a host."""
    host = fingerprint.host
    return f"{kernel_text(host.kernel, host.jiffy_ns)}; {host.cpu}, {host.cpus} CPUs"


def suite_notices(results: SuiteResults) -> Iterator[Notice]:
    """Yield what a reader must know: a busy machine, hosts that differ, trials that failed, warnings of runs."""
    yield from trial_notices(results.records)
    done = sum(len(cell.done) + len(cell.failed) for cell in results.cells if cell.not_applicable is None)
    planned = results.manifest.suite.trials * sum(cell.not_applicable is None for cell in results.cells)
    if done < planned:
        yield Notice(INCOMPLETE, f"{done:,} of {planned:,} trials have ended; --resume runs the others.", grave=True)
    for text in link_notes(results.cells):
        yield Notice(DIFFERENCE, text, grave=True)
    for trials in results.cells:
        for reason in dict.fromkeys(trials.failed.values()):
            count = list(trials.failed.values()).count(reason)
            yield Notice(
                FAILED, f"{trials.cell.name}, {count} of {count + len(trials.done)} trials: {reason}", grave=True
            )
    yield from warning_notices(
        text for trials in results.cells for run in trials.done.values() for text in run.warnings
    )


def cell_changes(cells: Sequence[CellTrials]) -> Iterator[CellChange]:
    """Yield every change against a baseline."""
    for cell in changed_cells(compared_rows(cells)):
        assert cell.row.baseline is not None
        setting = words.setting_text(cell.row.trials, cell.row.baseline)
        for metric, effect in cell.changes:
            yield CellChange(cell.row.entry, setting, metric, cell.row.trials, cell.row.baseline, effect)


def cells_by_importance(cells: Sequence[CellTrials]) -> list[CellTrials]:
    """Return cells that changed, each after its baseline, then the others."""
    changed = changed_cells(compared_rows(cells))
    first = [trials for cell in changed for trials in (cell.row.baseline, cell.row.trials) if trials is not None]
    return list({trials.cell.name: trials for trials in (*first, *cells)}.values())


def cells_table(cells: Sequence[CellTrials]) -> PageTable:
    """Return one row per cell, with its medians and what changed against the baseline."""
    metrics = [find_metric(name) for name in words.HEADLINE]
    columns = (
        PageColumn("scenario"),
        PageColumn("setting"),
        PageColumn("trials", is_number=True),
        PageColumn("books"),
        *(PageColumn(words.name_text(metric), is_number=True) for metric in metrics),
        PageColumn("causes"),
    )
    rows = tuple(row_cells(row, metrics) for row in suite_rows(cells, metrics))
    note = (
        "Medians over trials; below, the interval of the median and, where a value changed surely, its change against "
        f"the baseline: {words.RISE} higher, {words.FALL} lower."
    )
    return PageTable("cells", "Every cell of the suite", columns, rows, (note,), is_sortable=True)


def row_cells(row: SuiteRow, metrics: Sequence[Metric]) -> tuple[PageCell, ...]:
    """Return the row of a cell."""
    trials = row.trials
    setting = words.setting_text(trials, row.baseline)
    done, failed = len(trials.done), len(trials.failed)
    wrong = sum(value > 0 for value in values_by_block(trials, METRICS["unbalanced"]).values())
    books = PageCell("=\N{NO-BREAK SPACE}balanced", order=0, tone=Tone.HOLDS)
    if wrong:
        books = PageCell(f"≠ in {wrong}", order=wrong, tone=Tone.WORSE)
    causes = cause_text(trials) if trials.not_applicable is None else f"not applicable: {trials.not_applicable}"
    return (
        PageCell(row.entry, order=row.entry),
        PageCell(setting, order=setting, tone=Tone.STRONG if trials.cell.baseline else Tone.PLAIN),
        PageCell(
            f"{done} of {done + failed}" if failed else f"{done}", order=done, tone=Tone.WORSE if failed else Tone.PLAIN
        ),
        books if done else PageCell("–"),
        *(value_cell(trials, metric, effect) for metric, effect in zip(metrics, row.effects, strict=True)),
        PageCell(causes, order=causes),
    )


def value_cell(trials: CellTrials, metric: Metric, effect: Effect | None) -> PageCell:
    """Return a metric's median with its interval, and its change where there is one."""
    estimate = estimate_cell(trials, metric)
    if estimate is None:
        return PageCell("–", tone=Tone.QUIET)
    text, interval = words.value_text(metric, estimate.median), words.interval_text(metric, estimate)
    if effect is None or not effect.changes:
        return PageCell(text, interval, order=estimate.median)
    direction = better_or_worse(effect, metric)
    change = " ".join(filter(None, (words.change_text(effect, effect.median), direction)))
    detail = "; ".join(filter(None, (interval, change)))
    return PageCell(text, detail, order=estimate.median, tone=TONES[direction], mark=words.arrow_text(effect))


def cause_text(trials: CellTrials) -> str:
    """Return the median count of each cause, the highest first."""
    counts = []
    for cause in CAUSES:
        values = values_by_block(trials, METRICS[f"cause.{cause}"])
        estimate = estimate_cell(trials, METRICS[f"cause.{cause}"])
        if cause is not Cause.NONE and estimate and max(values.values()):
            number = f"{estimate.median:,.0f}" if estimate.median else f"0–{max(values.values()):,.0f}"
            counts.append((-estimate.median, f"{number} {cause.replace('_', ' ')}"))
    return ", ".join(text for _, text in sorted(counts)) or "none"


def cell_figures(row: SuiteRow) -> Figures:
    """Return the percentiles, rates and counts of a cell."""
    facts = [estimate_fact(row.trials, METRICS[name], name) for name in FIGURES_OF]
    counted = (name for name in METRICS if name.startswith(("outcome.", "cause.")))
    facts += [
        estimate_fact(row.trials, METRICS[name], name)
        for name in counted
        if any(values_by_block(row.trials, METRICS[name]).values())
    ]
    return Figures(row.trials.cell.name, tuple(facts), READING)


def estimate_fact(trials: CellTrials, metric: Metric, name: str) -> Fact:
    """Return a metric's median with its interval."""
    estimate = estimate_cell(trials, metric)
    if estimate is None:
        return Fact(name.replace(".", " ").replace("_", " "), "–")
    interval = words.interval_text(metric, estimate)
    text = words.value_text(metric, estimate.median) + ("/s" if metric.unit == "/s" else "")
    return Fact(name.replace(".", " ").replace("_", " "), f"{text} ({interval})" if interval else text)


def summaries_by_cell(cells: Iterable[CellTrials]) -> Mapping[str, Summary]:
    """Return the summary of each cell's first trial, by the cell's name: proofs and books are shown of one trial."""
    return {trials.cell.name: trials.done[min(trials.done)] for trials in cells if trials.done}


def suite_commands(results: SuiteResults) -> Iterator[Command]:
    """Yield how to run the suite again: by its file, or cell by cell."""
    name = results.manifest.suite.name
    if results.source is not None:
        yield Command(
            f"the suite: connstorm suite {name}.toml, with this file", tuple(results.source.rstrip().split("\n"))
        )
        return
    for trials in results.cells[:CELL_COMMANDS_MAX]:
        command, unsaid = run_command(trials.cell.plan)
        if command:
            yield Command(trials.cell.name, (command,), f"Not said by it: {', '.join(unsaid)}." if unsaid else "")
