# SPDX-License-Identifier: MIT
"""Report: the page of stored runs, read from the disk and put together."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stress.analysis.attribution.summary import analyse
from stress.analysis.comparison.arm_pair import compare_pairs
from stress.analysis.comparison.comparability import DIFFERENCE_KINDS, difference_sentence, differences_by_kind
from stress.analysis.comparison.metric_family import metric_families
from stress.analysis.history.history import HistoryFilter, build_history
from stress.compare.arms import Question, compare_arms
from stress.model import atomic
from stress.model.errors import StoreError, UsageError
from stress.store import accepted, run_folder, suite_folder
from stress.store.run_folder import RUN_FILE
from stress.store.runs import read_observations
from stress.store.suite_folder import SOURCE_FILE, SUITE_FILE
from stress.suite.cell_results import read_cell_trials
from stress.view.page.comparison_document import ComparedSides, Side, comparison_document
from stress.view.page.document import Document
from stress.view.page.history_document import history_document
from stress.view.page.render import render_page
from stress.view.page.run_document import run_document
from stress.view.page.suite_document import SuiteResults, suite_document
from stress.view.text.metric_wording import HEADLINE

PROGRAM = "connstorm"


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


def write_report(question: ReportQuestion, output: Path) -> Path:
    """Write the page of some stored runs as one HTML file, complete or not at all, and return its path.

    Raises:
        UsageError: there is no such run, one is damaged, or runs cannot be compared.
        StoreError: the file cannot be written.
    """
    page = render_page(read_document(question)).encode()
    try:
        atomic.write(output, page)
    except OSError as error:
        raise StoreError(f"{output} cannot be written: {error.strerror}; choose another file with -o.") from error
    return output


def read_document(question: ReportQuestion) -> Document:
    """Return the document of some stored runs: of a run, a suite, a comparison, or a history.

    Raises:
        UsageError: as ``write_report``.
    """
    path = Path(question.arguments[0])
    if question.is_comparison or "#" in question.arguments[0]:
        return read_comparison(question)
    if (path / RUN_FILE).is_file():
        return read_run(path)
    if (path / SUITE_FILE).is_file():
        return read_suite(path)
    return read_history(path, question)


def read_run(path: Path) -> Document:
    """Return the document of a run folder."""
    run, summary = run_folder.read(path)
    findings = analyse(run, summary.evidence)
    return run_document(findings, path.resolve().name, None)


def read_suite(path: Path) -> Document:
    """Return the document of a suite folder."""
    file = suite_folder.read(path)
    source = path / SOURCE_FILE
    results = SuiteResults(
        file,
        list(suite_folder.read_records(path).values()),
        read_cell_trials(path, file),
        source.read_text("utf-8-sig", errors="replace") if source.is_file() else None,
    )
    return suite_document(results, None)


def read_comparison(question: ReportQuestion) -> Document:
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
    comparisons = compare_pairs(matched.pairs, metric_families(matched.runs, question.metrics), matched.calibration)
    differences = [
        f"{difference_sentence(*pair)}." for pair in differences_by_kind(matched.rows, matched.by.cols).items()
    ]
    sides = [
        Side(f"{row.name}: {column}" if row.name else column, runs)
        for row in matched.rows
        for column, runs in row.columns.items()
    ]
    compared = ComparedSides(comparisons, sides, differences, matched.warnings, comparison_command(question))
    return comparison_document(compared, None)


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
    return history_document(history, path.resolve().name, shlex.join([PROGRAM, "history", str(path), *metrics]))
