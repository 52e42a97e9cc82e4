# SPDX-License-Identifier: MIT
"""The points that a suite file names, its baseline and those that it excludes; and the checks of their plans."""

import re
from collections.abc import Iterator
from typing import Any

from stress.model.suite import ARM, Entry, Level, Suite
from stress.suite import matrix
from stress.suite.config.axes import matching_level, unique_names
from stress.suite.config.diagnostics import Diagnostics, show_value, suggestion
from stress.suite.config.scenario import ScenarioTable
from stress.suite.config.toml_lines import Position
from stress.suite.links import plan_faults

# Options whose names do not follow from the field's.
OPTIONS = {"rate_per_s": "--rate", "sources": "--source", "target": "--listen"}
OPTIONS |= dict.fromkeys(("target_port", "target_ports"), "--listen-port")


def read_baseline(table: dict[str, Any], entries: list[Entry], diagnostics: Diagnostics) -> dict[str, Level]:
    """Return ``[baseline]``: each axis with a value that every entry with this axis lists."""
    result: dict[str, Level] = {}
    for axis, value, at in unique_names(table, ("baseline",), diagnostics):
        holders = [entry for entry in entries if axis in entry.axes]
        levels = [matching_level(axis, entry.axes[axis], value) for entry in holders]
        if not holders:
            diagnostics.add(at, axis_fault(axis, entries))
        elif (first := levels[0]) is None or None in levels:
            diagnostics.add(at, value_fault(axis, value, holders[levels.index(None)]))
        elif any(level != first for level in levels):
            diagnostics.add(at, f"{axis} has this value as a number in one scenario, as a text in another; choose one.")
        else:
            result[axis] = first
    return result


def read_exclusions(
    tables: list[dict[str, Any]], entries: list[Entry], diagnostics: Diagnostics
) -> list[dict[str, Level]]:
    """Return the ``[[exclude]]``: values of axes of at least one entry, and optionally its label.

    A value is as the axis lists it; where entries list it as a number and as a text, both are excluded.
    """
    exclusions: list[dict[str, Level]] = []
    for index, table in enumerate(tables):
        at: Position = ("exclude", index)
        label = table.get("scenario")
        if not table:
            diagnostics.add(
                at, "This [[exclude]] is empty and would exclude all cells; give a value of an axis or more."
            )
        elif "scenario" in table and (fault := label_fault(label, [entry.label for entry in entries])):
            diagnostics.add((*at, "scenario"), fault)
        else:
            concerned = [entry for entry in entries if label in (None, entry.label)]
            point = list(
                unique_names({key: value for key, value in table.items() if key != "scenario"}, at, diagnostics)
            )
            faults = [(place, fault) for axis, value, place in point if (fault := level_fault(axis, value, concerned))]
            rules = [rule for entry in concerned if (rule := excluded_levels(point, entry)) is not None]
            if not (faults or rules):
                faults = [(at, "No scenario has all of these values, so that this [[exclude]] excludes nothing.")]
            for place, fault in faults:
                diagnostics.add(place, fault)
            exclusions += [rule | ({} if label is None else {"scenario": label}) for rule in rules]
    return [rule for index, rule in enumerate(exclusions) if rule not in exclusions[:index]]


def excluded_levels(point: list[tuple[str, Any, Position]], entry: Entry) -> dict[str, Level] | None:
    """Return the values of a point as an entry lists them; None when it has no such point."""
    levels = {
        axis: matching_level(axis, entry.axes.get(axis, []), value) for axis, value, _ in point if axis in entry.axes
    }
    listed = {axis: level for axis, level in levels.items() if level is not None}
    return listed if len(listed) == len(point) else None


def label_fault(label: Any, known: list[str]) -> str | None:
    """Return a sentence when no scenario has a label, or None."""
    if label in known:
        return None
    close = suggestion(label, known) if isinstance(label, str) else ""
    return f"There is no scenario {show_value(label)} in this suite; there are {', '.join(known)}.{close}"


def level_fault(axis: str, value: Any, entries: list[Entry]) -> str | None:
    """Return a sentence when no entry has an axis, or none lists its value, or None."""
    holders = [entry for entry in entries if axis in entry.axes]
    if not holders:
        return axis_fault(axis, entries)
    if all(matching_level(axis, entry.axes[axis], value) is None for entry in holders):
        return value_fault(axis, value, holders[0])
    return None


def axis_fault(axis: str, entries: list[Entry]) -> str:
    """Return the sentence for an axis that no entry has."""
    known = dict.fromkeys(axis for entry in entries for axis in entry.axes)
    whose = f"The scenario {entries[0].label}" if len(entries) == 1 else "This suite"
    there = f"there are {', '.join(known)}" if known else "there is none"
    return f"{whose} has no axis {show_value(axis)}; {there}.{suggestion(axis, known)}"


def value_fault(axis: str, value: Any, entry: Entry) -> str:
    """Return the sentence for a value that an axis does not list."""
    values = ", ".join(map(show_value, entry.axes[axis]))
    return f"{axis} has no value {show_value(value)} in {entry.label}; it has {values}."


def point_faults(suite: Suite, rows: list[ScenarioTable]) -> Iterator[tuple[Position, str]]:
    """Yield the errors in the plan of each baseline, and of each value of an axis with the baseline's other values.

    Points in which several values differ from the baseline are checked when they become cells.
    """
    labels_by_fault: dict[tuple[Position, str], list[str]] = {}
    for row in rows:
        for at, sentence in row_faults(suite, row):
            labels_by_fault.setdefault((at, sentence), []).append(row.entry.label)
    for (at, sentence), labels in labels_by_fault.items():
        of_all = len(labels) == len(rows) or at[0] == "scenario"
        yield at, sentence if of_all else f"With {' and '.join(labels)}: {sentence}"


def row_faults(suite: Suite, row: ScenarioTable) -> Iterator[tuple[Position, str]]:
    """Yield the errors in the plans of one scenario, each with the position of the key that causes it."""
    base = {axis: suite.baseline.get(axis, values[0]) for axis, values in row.entry.axes.items()}
    others = [
        (base | {axis: value}, (*row.axes[axis].at, index))
        for axis, values in row.entry.axes.items()
        for index, value in enumerate(values)
        if value != base[axis]
    ]
    reported = set()
    for levels, at in [(base, None), *others]:
        if matrix.is_excluded(suite.exclude, row.entry.label, levels):
            continue
        if refused := matrix.point_fault(row.entry.plan, levels):  # of what this scenario cannot have in between
            axis, fault = refused
            place = row.axes[axis].at
            places = [(place if place[0] == "scenario" else row.at, fault)]
        else:
            plan = matrix.plan_at_point(
                row.entry.plan, levels, host=False, arm=suite.find_arm(str(levels.get(ARM, "")))
            )
            places = [(at or offending_key(sentence, row), sentence) for sentence in plan_faults(plan)]
        yield from (pair for pair in places if pair[1] not in reported)
        reported |= {sentence for _, sentence in places}


def offending_key(sentence: str, row: ScenarioTable) -> Position:
    """Return the position of the first of a scenario's parameters and axes that a sentence names, or the scenario's."""
    places = row.given.at | {axis: values.at for axis, values in row.axes.items()}
    positions = {}
    for name, at in places.items():
        option = OPTIONS.get(name, f"--{name.removesuffix('_s').replace('_', '-')}")
        if match := re.search(rf"{re.escape(option)}(?![a-z-])", sentence):
            positions[match.start()] = at
    return positions[min(positions)] if positions else row.at
