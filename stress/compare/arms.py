# SPDX-License-Identifier: MIT
"""Arms: stored runs that are to be compared, as a user names them, and the pairs of columns that result."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from stress.analysis.comparison.arm_pair import ArmPair, describe_sessions, describe_unpaired_runs, pair_columns
from stress.analysis.comparison.comparability import DIFFERENCE_KINDS, explain_evidence, explain_refusals
from stress.analysis.comparison.metric_family import metric_families
from stress.analysis.comparison.pairs import compare_pairs
from stress.analysis.comparison.projection import (
    LABEL,
    Projection,
    Row,
    choose_projection,
    explain_hidden_differences,
    filter_runs,
    project_runs,
)
from stress.analysis.comparison.quiet import describe_busy, ignore_busy
from stress.analysis.comparison.verdict import Comparison
from stress.compare.absent_trials import absent_lines, read_done_runs
from stress.compare.base_history import KnownSessions, known_sessions, read_base_history
from stress.model.calibration import Calibration
from stress.model.errors import IncomparableError, UsageError
from stress.model.observation import Observation
from stress.model.text import plural
from stress.store import calibration as stored
from stress.store.runs import split_label
from stress.store.sessions import with_sessions

SHOWN = 4  # rows that are named in an error
SESSIONS_LAST = 20  # with more, old sessions count that the machine has left behind
UNTIMED = "they ran on an emulated machine, under a profiler, or in parallel with others"


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which runs are to be compared with which.

    Attributes:
        arms: ``[label=]path[#cell]`` each, the base first.
        rows: dimensions that make rows; none for what fits.
        cols: dimensions that make columns; none for the arms.
        filters: which runs are looked at.
        base: the column that the others are compared with; None for the first.
        allowed: kinds of differences between the arms that are no reason to refuse.
        results: the folder that has the calibrations.
        allow_missing: how many planned trials of the new arm may be without data in a gate, in all.
        base_history: a folder of which the newest sessions that can be compared are the base; the arms are then all
            new. None for a base among the arms.
        last: how many of its sessions.
        allow_busy: whether times are compared though the machine was busy.
    """

    arms: Sequence[str]
    rows: Sequence[str] = ()
    cols: Sequence[str] = ()
    filters: Sequence[str] = ()
    base: str | None = None
    allowed: Sequence[str] = ()
    results: Path = Path("results")
    allow_missing: int = 0
    base_history: Path | None = None
    last: int = SESSIONS_LAST
    allow_busy: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Its arms and its folder of base sessions, the base first."""
        return (*([] if self.base_history is None else [str(self.base_history)]), *self.arms)


@dataclass(frozen=True)
class ComparedArms:
    """The runs that a question selects, paired for comparison.

    Attributes:
        by: the dimensions of rows and columns.
        rows: all rows, also those with one column.
        pairs: every column with the base of its row.
        warnings: sentences.
        absent: a sentence for each cell of an arm that has fewer results than were planned.
        known: what says how far sessions of the machine differ.
    """

    by: Projection
    rows: list[Row]
    pairs: list[ArmPair]
    warnings: list[str]
    absent: list[str]
    known: KnownSessions

    @property
    def is_survey(self) -> bool:
        """Whether cells of a suite are compared by what they vary, and not arms that were made to be compared."""
        return LABEL not in self.by.cols and not any(run.arm for run in self.runs)

    @property
    def runs(self) -> list[Observation]:
        """All runs."""
        return [run for row in self.rows for runs in row.columns.values() for run in runs]


def compare_arms(question: Question) -> ComparedArms:
    """Read the runs of a question and pair them for comparison.

    Raises:
        UsageError: something that is named does not exist, or is damaged.
        IncomparableError: the arms differ in more than the dimensions that they are compared by, or share no row.
    """
    runs, left_out = read_question(question)
    by, rows = lay_out(question, runs)
    refused = explain_refusals(rows, by.cols, question.allowed)
    if refused:
        raise IncomparableError(" ".join(refused))
    busy = describe_busy(rows, is_allowed=question.allow_busy)
    rows = ignore_busy(rows) if question.allow_busy else rows
    pairs = pair_columns(rows)
    if not pairs:
        columns = "; ".join(f"{row.name or 'all'}: {', '.join(row.columns)}" for row in rows[:SHOWN])
        raise IncomparableError(f"No row has two columns to compare ({columns}); see --rows and --cols.")
    warnings = [
        *busy,
        *left_out,
        *explain_hidden_differences(rows, by),
        *explain_evidence(rows),
        *missing_columns(rows),
        *untimed_rows(pairs),
        *describe_sessions(pairs),
        *describe_unpaired_runs(pairs),
    ]
    compared = [run for pair in pairs for run in pair.runs]
    absent = absent_lines(question.arms, runs, question.filters)
    return ComparedArms(
        by, rows, pairs, warnings, absent, known_sessions(question.results, compared, known_calibration)
    )


def compare_all(compared: ComparedArms, metrics: Sequence[str]) -> list[Comparison]:
    """Return the comparison of each pair in each metric; of no metric that is named, in the usual ones."""
    families = metric_families(compared.runs, metrics, is_survey=compared.is_survey)
    return compare_pairs(compared.pairs, families, compared.known.calibration, compared.known.others)


def read_question(question: Question) -> tuple[list[Observation], list[str]]:
    """Return the runs of a question, those of the base first, and sentences about base runs that are left out.

    Runs that a base of several has in common with the new arm are no base: nothing is held against itself.

    Raises:
        UsageError: something that is named does not exist, or is damaged.
    """
    if question.base_history is not None:
        new = read_arms(question.arms)
        base, warnings = read_base_history(question.base_history, new, last=question.last, allowed=question.allowed)
        return [*base, *new], warnings
    runs = read_arms(question.arms)
    first = runs[0].label
    others = {run.path.resolve() for run in runs if run.label != first}
    base = [run for run in runs if run.label == first and run.path.resolve() not in others]
    new = [run for run in runs if run.label != first]
    both = len(runs) - len(base) - len(new)
    if not both or not base:
        return runs, []
    return [*base, *new], [f"{plural(both, 'run')} of {first} left out of it: the other arm has the same"]


def lay_out(question: Question, runs: Sequence[Observation]) -> tuple[Projection, list[Row]]:
    """Return the rows and columns of some runs.

    Raises:
        UsageError: a dimension that is named does not exist, or the filters leave no run.
    """
    unknown = sorted(set(question.allowed) - set(DIFFERENCE_KINDS))
    if unknown:
        raise UsageError(f"--allow-diff takes {', '.join(DIFFERENCE_KINDS)}, not {unknown[0]}.")
    selected = filter_runs(runs, question.filters)
    by = choose_projection(selected, question.rows, question.cols)
    return by, project_runs(selected, by, question.base)


def read_arms(arms: Sequence[str]) -> list[Observation]:
    """Return the runs of all arms; an arm without a label has the shortest label that is unique.

    Raises:
        UsageError: an arm has no run, or two have the same label.
    """
    split = [split_label(text) for text in arms]
    short = [Path(rest).name for _, rest in split]
    by_label: dict[str, list[Observation]] = {}
    for text, (_, rest), name in zip(arms, split, short, strict=True):
        runs = read_done_runs(text, name if short.count(name) == 1 else "")
        if runs[0].label in by_label:
            raise UsageError(f"Two arms are called {runs[0].label!r}; give them different labels, such as old={rest}.")
        by_label[runs[0].label] = runs
    return with_sessions([run for runs in by_label.values() for run in runs])


def missing_columns(rows: Sequence[Row]) -> list[str]:
    """Return a sentence for each row without a run in some column, which is then not compared with it."""
    columns = list(dict.fromkeys(column for row in rows for column in row.columns))
    return [
        f"{row.name} has no run in {', '.join(column for column in columns if column not in row.columns)}"
        for row in rows
        if len(row.columns) < len(columns)
    ]


def untimed_rows(pairs: Sequence[ArmPair]) -> list[str]:
    """Return a sentence if the times of some rows cannot be compared."""
    rows = list(dict.fromkeys(pair.row for pair in pairs if not all(run.timed for run in pair.runs)))
    if not rows:
        return []
    which = ", ".join(filter(None, rows)) or "these runs"
    return [f"times are not compared of {which}: {UNTIMED}"]


def known_calibration(results: Path, testbeds: Collection[str]) -> Calibration | None:
    """Return the calibration of the machine of some runs; None if there are several machines, or it has none."""
    return stored.find_calibration(results, next(iter(testbeds))) if len(testbeds) == 1 else None
