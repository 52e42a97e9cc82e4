# SPDX-License-Identifier: MIT
"""Report: the page of stored runs, read from the disk and put together."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stress.analysis.attribution.summary import analyse
from stress.analysis.comparison.comparability import DIFFERENCE_KINDS, difference_sentence, differences_by_kind
from stress.analysis.comparison.quiet import describe_busy
from stress.analysis.comparison.verdict import Comparison, Verdict
from stress.analysis.history.history import HistoryFilter, build_history
from stress.compare.arms import ComparedArms, Question, compare_all, compare_arms
from stress.compare.history_profiles import compare_steps
from stress.compare.report_arms import NamedRuns, Rename, findings_timeline, runs_timeline
from stress.compare.report_names import known_names
from stress.compare.report_profiles import compared_profiles, run_profile, suite_profiles
from stress.model import atomic
from stress.model.errors import StoreError, UsageError
from stress.model.suite import Status, TrialRecord
from stress.store import accepted, run_folder, suite_folder
from stress.store.run_folder import RUN_FILE
from stress.store.runs import read_observations, split_label
from stress.store.suite_folder import SOURCE_FILE, SUITE_FILE, Manifest
from stress.store.trial_profile import profile_run
from stress.suite.cell_results import read_cell_trials
from stress.view.page.comparison_document import ComparedSides, Side, comparison_document
from stress.view.page.document import Document
from stress.view.page.history_document import history_document
from stress.view.page.public import Redaction
from stress.view.page.render import render_page
from stress.view.page.run_document import run_document
from stress.view.page.suite_document import SuiteResults, cells_by_importance, suite_document
from stress.view.text.metric_wording import HEADLINE
from stress.view.text.unprofiled_wording import unprofiled_line

PROGRAM = "connstorm"
CHANGED = (Verdict.REGRESSED, Verdict.IMPROVED)


@dataclass(frozen=True, kw_only=True)
class ReportQuestion:
    """What a page is about.

    Attributes:
        arguments: a run, a suite, or a folder of these; or the arms of a comparison, the base first.
        rows: dimensions that make rows of a comparison; none for what fits.
        cols: dimensions that make columns; none for the arms.
        filters: which runs of a comparison are looked at.
        base: the column that the others are compared with; None for the first.
        metrics: what is compared or followed over time; none for the usual ones.
        results: the folder that has the calibrations.
        is_public: whether host names, addresses, paths and user names are left out.
    """

    arguments: Sequence[str]
    rows: Sequence[str] = ()
    cols: Sequence[str] = ()
    filters: Sequence[str] = ()
    base: str | None = None
    metrics: Sequence[str] = ()
    results: Path = Path("results")
    is_public: bool = False

    @property
    def is_comparison(self) -> bool:
        """Whether columns are compared."""
        return len(self.arguments) > 1 or bool(self.rows or self.cols or self.filters or self.base)

    @property
    def paths(self) -> list[Path]:
        """The folder of each argument."""
        return [Path(split_label(text)[1].partition("#")[0]) for text in self.arguments]


def write_report(question: ReportQuestion, output: Path) -> Path:
    """Write the page of some stored runs as one HTML file, complete or not at all, and return its path.

    Raises:
        UsageError: there is no such run, one is damaged, or runs cannot be compared.
        StoreError: the file cannot be written.
    """
    redaction = Redaction(known_names(question.paths)) if question.is_public else None
    document = read_document(question, redaction.text if redaction else None)
    page = render_page(redaction.value(document) if redaction else document).encode()
    try:
        atomic.write(output, page)
    except OSError as error:
        raise StoreError(f"{output} cannot be written: {error.strerror}; choose another file with -o.") from error
    return output


def read_document(question: ReportQuestion, rename: Rename | None = None) -> Document:
    """Return the document of some stored runs: of a run, a suite, a comparison, or a history.

    Args:
        question: what it is about.
        rename: for a public page, what replaces names in the timeline; the document itself is as it was stored.

    Raises:
        UsageError: as ``write_report``.
    """
    path = question.paths[0]
    if question.is_comparison or "#" in question.arguments[0]:
        return read_comparison(question, rename)
    if (path / RUN_FILE).is_file():
        return read_run(path, rename)
    if (path / SUITE_FILE).is_file():
        return read_suite(path, rename)
    return read_history(path, question)


def read_run(path: Path, rename: Rename | None) -> Document:
    """Return the document of a run folder."""
    run, summary = run_folder.read(path)
    findings = analyse(run, summary.evidence)
    name = path.resolve().name if rename is None else run.record.id
    timeline = findings_timeline(findings, str(path), rename=rename)
    return run_document(findings, name, timeline, run_profile(run.record, path, rename))


def read_suite(path: Path, rename: Rename | None) -> Document:
    """Return the document of a suite folder."""
    file, source = suite_folder.read(path), path / SOURCE_FILE
    results = SuiteResults(
        file,
        list(suite_folder.read_records(path).values()),
        read_cell_trials(path, file),
        source.read_text("utf-8-sig", errors="replace") if source.is_file() else None,
    )
    folders = folders_by_cell(path, file)
    names = [trials.cell.name for trials in cells_by_importance(results.cells)]
    groups = (NamedRuns(name, folders.get(name, [])) for name in names)
    profiled = folders_by_cell(path, file, profile_run)
    by_cell = {name: profiled[name] for name in names if name in profiled}
    profiles = suite_profiles(by_cell, unprofiled_line(results.cells), rename)
    return suite_document(results, *runs_timeline(groups, rename=rename), profiles)


def folders_by_cell(
    path: Path, file: Manifest, folder_of: Callable[[Path, TrialRecord], Path | None] = suite_folder.trial_run_folder
) -> dict[str, list[Path]]:
    """Return the run folders of each cell of a suite, or of its profiles, by the name that it has in its results."""
    folders: dict[str, list[Path]] = {}
    for record in suite_folder.read_records(path).values():
        folder = folder_of(path, record) if record.status is Status.DONE else None
        if folder is not None:
            name = file.name_on_host(record.trial.cell, record.host)
            folders.setdefault(name, []).append(folder)
    return folders


def read_comparison(question: ReportQuestion, rename: Rename | None) -> Document:
    """Return the document of a comparison; what differs between the arms is shown, not refused."""
    asked = Question(
        arms=question.arguments,
        rows=question.rows,
        cols=question.cols,
        filters=question.filters,
        base=question.base,
        allowed=DIFFERENCE_KINDS,
        results=question.results,
    )
    matched = compare_arms(asked)
    comparisons = compare_all(matched, question.metrics)
    differences = [
        f"{difference_sentence(*pair)}." for pair in differences_by_kind(matched.rows, matched.by.cols).items()
    ]
    sides = list(compared_sides(matched, comparisons))
    busy = describe_busy(matched.rows, is_allowed=False)
    warnings = [*matched.absent, *(text for text in matched.warnings if text not in busy)]
    compared = ComparedSides(comparisons, sides, differences, busy, warnings, comparison_command(question))
    groups = (NamedRuns(side.name, [run.path for run in side.runs]) for side in sides)
    changes = Counter(item.row for item in comparisons if item.verdict in CHANGED)
    pairs = sorted(matched.pairs, key=lambda pair: -changes[pair.row])
    return comparison_document(compared, *runs_timeline(groups, rename=rename), compared_profiles(pairs, rename))


def compared_sides(matched: ComparedArms, comparisons: Sequence[Comparison]) -> Iterator[Side]:
    """Yield the columns of all rows, those of rows with most changes first."""
    changes = Counter(item.row for item in comparisons if item.verdict in CHANGED)
    for row in sorted(matched.rows, key=lambda row: -changes[row.name]):
        for column, runs in row.columns.items():
            yield Side(f"{row.name}: {column}" if row.name else column, runs)


def comparison_command(question: ReportQuestion) -> str:
    """Return the command that prints a comparison."""
    words = [PROGRAM, "compare", *question.arguments]
    for option, values in (("--rows", question.rows), ("--cols", question.cols)):
        words += [option, ",".join(values)] if values else []
    words += [word for text in question.filters for word in ("--filter", text)]
    words += ["--base", question.base] if question.base else []
    words += [word for name in question.metrics for word in ("--metric", name)]
    return shlex.join(words)


def read_history(path: Path, question: ReportQuestion) -> Document:
    """Return the document of a folder of runs and suites."""
    runs = list(read_observations(path, ""))
    if not runs:
        raise UsageError(f"{path} holds no run that is done; give a run, a suite, or a folder of these.")
    choice = HistoryFilter(question.metrics or HEADLINE)
    history = build_history(runs, choice, accepted.read(path / accepted.ACCEPTED))
    metrics = [word for name in question.metrics for word in ("--metric", name)]
    command = shlex.join([PROGRAM, "history", str(path), *metrics])
    return history_document(history, path.resolve().name, command, compare_steps(history, path))
