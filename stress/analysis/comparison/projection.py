# SPDX-License-Identifier: MIT
"""Projection: which runs are compared with which. Some dimensions make rows, some make columns, the rest is merged.

The model is that of Go's benchstat, and so is the warning when runs that differ are merged.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from stress.analysis.comparison.dimension import (
    MACHINE_DIMENSIONS,
    RUN_DIMENSIONS,
    dimension_value,
    dimension_values,
    natural_key,
    plan_dimensions,
    resolve_dimension,
    short_name,
    varying_dimensions,
)
from stress.model.errors import UsageError
from stress.model.observation import Observation
from stress.model.suite import ARM

LABEL, CELL, SCENARIO = "label", "cell", "scenario"
FILTER_PATTERN = re.compile(r"(?P<name>[^\s=!,]+)(?P<op>!?=)(?P<values>.+)", re.DOTALL)
VALUES_SHOWN = 4  # values of a dimension that a warning names


@dataclass(frozen=True)
class Filter:
    """The patterns that the value of a dimension must match, or must not match.

    Attributes:
        name: of the dimension.
        patterns: in the notation of fnmatch.
        exclude: whether runs that match are left out instead.
    """

    name: str
    patterns: tuple[str, ...]
    exclude: bool

    def takes(self, run: Observation) -> bool:
        """Return whether a run passes."""
        text = dimension_value(run, self.name)
        return any(fnmatchcase(text, pattern) for pattern in self.patterns) != self.exclude


@dataclass(frozen=True)
class Row:
    """Runs that agree in the dimensions of the rows, by column.

    Attributes:
        name: the values in which they agree; ``""`` when there is a single row.
        columns: the runs by the value of the columns' dimensions, in the order of the columns, the base first; a
            column without runs is left out.
    """

    name: str
    columns: dict[str, list[Observation]]


@dataclass(frozen=True)
class Projection:
    """Which dimensions make rows and columns.

    Attributes:
        rows: names of dimensions.
        cols: names of dimensions.
    """

    rows: tuple[str, ...]
    cols: tuple[str, ...]


def parse_filter(text: str, runs: Sequence[Observation]) -> Filter:
    """Return the filter of ``KEY=PATTERN,PATTERN`` or ``KEY!=PATTERN,…``; ``*`` and ``?`` are wildcards.

    Raises:
        UsageError: the text has another form, or the runs have no such dimension.
    """
    match = FILTER_PATTERN.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no filter; write KEY=VALUE,VALUE or KEY!=VALUE, such as kernel=6.12*.")
    patterns = tuple(part.strip() for part in match["values"].split(","))
    return Filter(resolve_dimension(match["name"], runs), patterns, match["op"] == "!=")


def filter_runs(runs: Sequence[Observation], filters: Iterable[str]) -> list[Observation]:
    """Return the runs that pass all filters.

    Raises:
        UsageError: a filter is invalid, or no run passes.
    """
    passed = list(runs)
    for text in filters:
        condition = parse_filter(text, runs)
        before, passed = passed, [run for run in passed if condition.takes(run)]
        if not passed:
            values = abbreviate_values(dimension_values(before, condition.name))
            raise UsageError(f"No run passes --filter {text!r}; {short_name(condition.name)} is {values}.")
    return passed


def choose_projection(runs: Sequence[Observation], rows: Sequence[str], cols: Sequence[str]) -> Projection:
    """Return the projection that a user asks for, with defaults that follow from the runs.

    By default columns are the arms, and rows are cells. When every arm has a single cell there is one row. Of a single
    arm with cells and their baseline, columns are the cells, and rows are scenarios; of a single suite with arms these
    are the columns. With other columns the name of a cell would tell rows apart as well; then rows are scenarios, and
    whatever else the plans differ in.

    Args:
        runs: of all arms.
        rows: names of dimensions; none for the default.
        cols: names of dimensions; none for the default.

    Raises:
        UsageError: the runs have no such dimension.
    """
    is_alone = len({run.label for run in runs}) == 1
    cols = cols or ([ARM] if is_alone and not rows and len({run.arm for run in runs}) > 1 else [])
    columns = tuple(resolve_dimension(name, runs) for name in cols)
    if not columns and is_alone and len({run.baseline for run in runs}) > 1:
        return Projection(tuple(resolve_dimension(name, runs) for name in rows or (SCENARIO,)), (CELL,))
    columns = columns or (LABEL,)
    if rows:
        return Projection(tuple(resolve_dimension(name, runs) for name in rows), columns)
    if columns != (LABEL,):
        candidates = [*plan_dimensions(runs), ARM, "kernel"]
        others = [name for name in varying_dimensions(runs, candidates) if name not in columns]
        return Projection((SCENARIO, *others), columns)
    cells: dict[str, set[str]] = {}
    for run in runs:
        cells.setdefault(run.label, set()).add(run.cell)
    alone = len(set.union(*cells.values())) > 1 and all(len(of_arm) == 1 for of_arm in cells.values())
    return Projection(() if alone else (CELL,), columns)


def project_runs(runs: Sequence[Observation], by: Projection, base: str | None = None) -> list[Row]:
    """Return the rows, in the order of their first runs.

    Args:
        runs: those of the base arm first.
        by: the dimensions.
        base: the column that the others are compared with; None takes the first arm that was given; of another
            dimension the value of the suite's baseline, or the lowest value where no suite names one.

    Raises:
        UsageError: there is no such column.
    """
    columns = list(dict.fromkeys(key_text(run, by.cols) for run in runs))
    if LABEL not in by.cols:
        columns.sort(key=natural_key)
    if base is not None:
        column = base if base in columns or len(by.cols) > 1 else f"{short_name(by.cols[0])}={base}"
        if column not in columns:
            raise UsageError(f"There is no column {base!r} to compare with; there are {abbreviate_values(columns)}.")
        columns.remove(column)
        columns.insert(0, column)
    table: dict[str, dict[str, list[Observation]]] = {}
    for run in runs:
        table.setdefault(key_text(run, by.rows), {}).setdefault(key_text(run, by.cols), []).append(run)
    rows = [Row(name, {col: cells[col] for col in columns if col in cells}) for name, cells in table.items()]
    return rows if base is not None or LABEL in by.cols else put_baselines_first(rows)


def put_baselines_first(rows: Sequence[Row]) -> list[Row]:
    """Return rows whose first column is that of the suite's baseline, where there is exactly one.

    Of a column that is the baseline in all rows that have one, rows without a baseline of their own take it as well.
    """
    marked = [{name for name, runs in row.columns.items() if any(run.baseline for run in runs)} for row in rows]
    common = set.union(set(), *marked)
    ordered = []
    for row, own in zip(rows, marked, strict=True):
        (*first,) = own if len(own) == 1 else common & set(row.columns) if len(common) == 1 else ()
        ordered.append(Row(row.name, {name: row.columns[name] for name in (*first, *row.columns)}))
    return ordered


def key_text(run: Observation, names: Sequence[str]) -> str:
    """Return the values of a run in some dimensions: ``'closewait tcp_tw_reuse=1'``."""
    return " ".join(
        dimension_value(run, name) if name in RUN_DIMENSIONS else f"{short_name(name)}={dimension_value(run, name)}"
        for name in names
    )


def explain_hidden_differences(rows: Iterable[Row], by: Projection) -> list[str]:
    """Return a sentence for each dimension in which runs differ that are compared as trials of the same plan."""
    values: dict[str, dict[str, None]] = {}
    for row in rows:
        for runs in row.columns.values():
            for name in varying_dimensions(runs, [SCENARIO, *MACHINE_DIMENSIONS, *plan_dimensions(runs)]):
                values.setdefault(name, {}).update(dict.fromkeys(dimension_value(run, name) for run in runs))
    return [
        f"{short_name(name)} varies within what is compared ({abbreviate_values(sorted(different, key=natural_key))}); "
        "name it in --rows or --cols, or choose with --filter"
        for name, different in values.items()
        if name not in (*by.rows, *by.cols)
    ]


def abbreviate_values(values: Sequence[str]) -> str:
    """Return the first of some values, and how many more there are."""
    more = f" and {len(values) - VALUES_SHOWN} more" if len(values) > VALUES_SHOWN else ""
    return ", ".join(repr(text) if " " in text or not text else text for text in values[:VALUES_SHOWN]) + more
