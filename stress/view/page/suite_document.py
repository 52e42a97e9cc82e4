# SPDX-License-Identifier: MIT
"""The document of one suite: its cells against their baselines."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stress.analysis.comparison.suite_comparison import compare_cells
from stress.analysis.statistics.trials import CellTrials
from stress.model.suite import Fingerprint, TrialRecord
from stress.model.summary import Summary
from stress.model.units import kernel_text
from stress.store.suite_folder import Manifest
from stress.view.page.cell_parts import cell_figures, cell_title, cells_table
from stress.view.page.document import Command, Document, Fact, Interactive, Notice, ProfileSection
from stress.view.page.forest_part import CellChange, cell_forest
from stress.view.page.notice_parts import DIFFERENCE, FAILED, INCOMPLETE, trial_notices, warning_notices
from stress.view.page.proof_parts import books_parts, cause_parts, packet_ladders, unproved_sentences
from stress.view.text import metric_wording as words
from stress.view.text.arm_lines import arm_lines
from stress.view.text.plan_command import run_command
from stress.view.text.suite_causes import cells_to_look_at
from stress.view.text.suite_headline import change_sentences, changed_cells, compared_rows, suite_headline
from stress.view.text.suite_rows import link_notes, suite_rows
from stress.view.text.table import Tone
from stress.view.text.unprofiled_wording import unprofiled_line

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


def suite_document(
    results: SuiteResults,
    interactive: Interactive | None = None,
    note: str = "",
    profile: ProfileSection | None = None,
) -> Document:
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
        figures=tuple(cell_figures(row) for row in suite_rows(cells) if row.trials.done),
        profile=profile,
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
    programs = (fingerprint.program for fingerprint in (*dict(prints).values(), *file.arms.values()))
    yield Fact("program", ", ".join(dict.fromkeys(programs)))
    for name, fingerprint in prints:
        yield Fact(f"host {name}", fingerprint_text(fingerprint))
    for line in arm_lines(file):
        yield Fact(*line.split(": ", 1))
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
    yield from trial_notices(results.cells)
    done = sum(len(cell.done) + len(cell.failed) for cell in results.cells if cell.not_applicable is None)
    planned = results.manifest.suite.trials * sum(cell.not_applicable is None for cell in results.cells)
    if done < planned:
        yield Notice(INCOMPLETE, f"{done:,} of {planned:,} trials have ended; --resume runs the others.", grave=True)
    if text := unprofiled_line(results.cells):
        yield Notice(INCOMPLETE, text)
    for text in link_notes(results.cells):
        yield Notice(DIFFERENCE, text, grave=True)
    for row in suite_rows(results.cells):
        trials = row.trials
        planned = sum(trials.absent.values()) + len(trials.done)
        for label, reasons in ((FAILED, trials.failed), (INCOMPLETE, trials.interrupted)):
            for reason, count in Counter(reasons.values()).items():
                yield Notice(label, f"{cell_title(row)}: {count} of {planned} trials, {reason}", grave=True)
    yield from warning_notices(
        text for trials in results.cells for run in trials.done.values() for text in run.warnings
    )


def cell_changes(cells: Sequence[CellTrials]) -> Iterator[CellChange]:
    """Yield every change against a baseline."""
    thresholds = {(one.new, one.metric): one.threshold for one in compare_cells(cells).comparisons}
    for cell in changed_cells(compared_rows(cells)):
        assert cell.row.baseline is not None
        setting = words.setting_text(cell.row.trials, cell.row.baseline)
        for metric, effect in cell.changes:
            least = thresholds[cell.row.trials.cell.name, metric.name]
            yield CellChange(cell.row.entry, setting, metric, cell.row.trials, cell.row.baseline, effect, least)


def cells_by_importance(cells: Sequence[CellTrials]) -> list[CellTrials]:
    """Return cells that changed, each after its baseline, then those with other causes, then the others."""
    changed = changed_cells(compared_rows(cells))
    first = [trials for cell in changed for trials in (cell.row.baseline, cell.row.trials) if trials is not None]
    return list({trials.cell.name: trials for trials in (*first, *cells_to_look_at(cells), *cells)}.values())


def summaries_by_cell(cells: Iterable[CellTrials]) -> Mapping[str, Summary]:
    """Return the summary of each cell's first trial, by the cell's title: proofs and books are shown of one trial."""
    return {
        cell_title(row): row.trials.done[min(row.trials.done)] for row in suite_rows(list(cells)) if row.trials.done
    }


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
