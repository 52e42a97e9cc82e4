# SPDX-License-Identifier: MIT
"""Column: the runs of one file by row, and their values by metric."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from stress.analysis.comparison.counter_metric import value_of
from stress.analysis.comparison.dimension import (
    dimension_value,
    dimension_values,
    natural_key,
    plan_dimensions,
    resolve_dimension,
    short_name,
    varying_dimensions,
)
from stress.analysis.comparison.projection import (
    LABEL,
    SCENARIO,
    Projection,
    abbreviate_values,
    choose_projection,
    key_text,
    project_runs,
)
from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import TIMED_UNITS
from stress.model.errors import UsageError
from stress.model.observation import Observation
from stress.model.text import slug

CELL = "cell"
POOLED = ("kernel", "testbed", LABEL)  # runs that differ in these are no trials of one thing
SLUG_MAX = 120  # characters: a file's name may have 255 bytes, numbers and suffixes included


@dataclass(frozen=True)
class Sample:
    """One metric of one row, over its trials.

    Attributes:
        row: the name of the row.
        metric: the metric.
        values: one per trial, in the metric's unit, in the order of the trials' times.
        runs: the trials that have a value.
    """

    row: str
    metric: Metric
    values: tuple[float, ...]
    runs: tuple[Observation, ...]

    @property
    def attempts(self) -> int:
        """Number of attempts of all its trials."""
        return sum(run.summary.attempts for run in self.runs)


@dataclass(frozen=True)
class Column:
    """Runs that go into one file.

    Attributes:
        name: the value of the dimension, such as a kernel release; ``""`` when there is one file.
        dimension: the dimension that splits runs into files, such as ``kernel``; ``""`` when there is one file.
        rows: the runs of each row, by its name.
        keys: the parts of the name of each row, by dimension.
    """

    name: str
    dimension: str
    rows: dict[str, list[Observation]]
    keys: dict[str, dict[str, str]]

    @property
    def runs(self) -> list[Observation]:
        """All its runs in the order of their times."""
        every = [run for runs in self.rows.values() for run in runs]
        return sorted(every, key=lambda run: (run.started_utc, str(run.path)))

    def samples(self, metrics: Sequence[Metric]) -> Iterator[Sample]:
        """Yield the values of each row and metric that has any.

        Trials that ran alongside each other say nothing about times.
        """
        for row, runs in self.rows.items():
            for metric in metrics:
                usable = [run for run in runs if run.timed or metric.unit not in TIMED_UNITS]
                read = [(value_of(metric, run), run) for run in usable]
                values = [(float(value), run) for value, run in read if value is not None]
                if values:
                    yield Sample(row, metric, *map(tuple, zip(*values, strict=True)))


def columns(runs: Sequence[Observation], by: str | None, *, separates: bool = False) -> list[Column]:
    """Return the columns: the runs of each file.

    Args:
        runs: in any order.
        by: a dimension whose every value makes a column; None makes one column.
        separates: whether the format keeps trials apart; then trials of several kernels may share a file.

    Raises:
        UsageError: runs have no such dimension, or runs would be taken as trials of one thing that are not.
    """
    ordered = sorted(runs, key=lambda run: (run.started_utc, str(run.path)))
    dimension = resolve_dimension(by, ordered) if by else ""
    if not dimension:
        chosen = Projection((CELL,), ())
    elif dimension == LABEL:
        chosen = Projection((CELL,), (LABEL,))
    else:
        chosen = choose_projection(ordered, (), (dimension,))
    rows = project_runs(ordered, chosen)
    for row in rows:
        for together in row.columns.values():
            refuse_mixture(together, [] if separates else [name for name in POOLED if name != dimension])
    as_given = runs if dimension == LABEL else ordered
    key_of = {dimension_value(run, name): key_text(run, (name,)) for name in chosen.cols for run in as_given} or {
        "": ""
    }
    names = sorted(key_of, key=natural_key) if dimension != LABEL else list(key_of)
    return [
        Column(name, short_name(dimension), inside, {row: column_keys(inside[row][0], chosen) for row in inside})
        for name in names
        if (inside := {row.name: row.columns[key_of[name]] for row in rows if key_of[name] in row.columns})
    ]


def column_keys(run: Observation, chosen: Projection) -> dict[str, str]:
    """Return the parts of the name of a run's row, by dimension."""
    return {short_name(name): dimension_value(run, name) for name in chosen.rows or (SCENARIO,)}


def refuse_mixture(runs: Sequence[Observation], where: Sequence[str]) -> None:
    """Raise UsageError for runs that would be taken as trials of one thing and are not.

    Args:
        runs: of one row and column.
        where: dimensions in which they must agree, in addition to those of their plans.
    """
    for name in varying_dimensions(runs, [*where, *plan_dimensions(runs)]):
        raise UsageError(
            f"Runs of {runs[0].cell!r} would be exported as trials of one thing, but their {short_name(name)} differs "
            f"({abbreviate_values(dimension_values(runs, name))}); give --columns {short_name(name)} for a file each, "
            "or export them one by one."
        )


def stems(names: Iterable[str]) -> dict[str, str]:
    """Return a distinct file stem for each name."""
    by_name: dict[str, str] = {}
    for name in names:
        stem, taken = file_stem(name), set(by_name.values())
        candidates = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        by_name[name] = next(candidate for candidate in candidates if candidate not in taken)
    return by_name


def file_stem(name: str) -> str:
    """Return a name as a file's name without its suffix, never empty and never hidden."""
    return slug(name, SLUG_MAX).strip("-.") or "export"
