# SPDX-License-Identifier: MIT
"""What a suite may set of a plan, and vary: fields of the plan and settings of the kernel, each with its position."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stress.lab import sysctl
from stress.model.errors import UsageError
from stress.model.kernel import kernel_name
from stress.model.suite import KERNEL, Level, is_sysctl
from stress.suite.config.diagnostics import Diagnostics, show_value, suggestion, wrong_type
from stress.suite.config.keys import AXES, FIELDS, NOT_SET
from stress.suite.config.toml_lines import Position

SYSCTL = re.compile(r"net(\.[A-Za-z0-9_-]{1,64}){1,8}")


@dataclass
class Parameters:
    """What a table sets.

    Attributes:
        fields: of the plan, converted.
        sysctls: by dotted name.
        at: where each of both is set.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    at: dict[str, Position] = field(default_factory=dict)

    def over(self, base: "Parameters") -> "Parameters":
        """Return these and, of what they do not set, those of a base."""
        return Parameters(base.fields | self.fields, base.sysctls | self.sysctls, base.at | self.at)


@dataclass(frozen=True)
class Axis:
    """The values of an axis, as the file has them, and its position."""

    values: list[Level]
    at: Position


def flatten_names(table: dict[str, Any], at: Position) -> Iterator[tuple[str, Any, Position]]:
    """Yield the dotted name of each value of a table with tables in it, the value, and its position.

    TOML reads ``net.ipv4.tcp_tw_reuse = 1`` without quotes as tables in each other.
    """
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from ((f"{key}.{name}", each, place) for name, each, place in flatten_names(value, (*at, key)))
        else:
            yield key, value, (*at, key)


def unique_names(table: dict[str, Any], at: Position, mistakes: Diagnostics) -> Iterator[tuple[str, Any, Position]]:
    """Yield as ``flat`` does; a name that is there with and without quotes is a mistake."""
    seen: dict[str, Position] = {}
    for name, value, place in flatten_names(table, at):
        if name in seen:
            mistakes.add(place, f"{show_value(name)} is there already{mistakes.line(seen[name])}; leave one out.")
        else:
            seen[name] = place
            yield name, value, place


def read_parameters(table: dict[str, Any], at: Position, mistakes: Diagnostics) -> Parameters:
    """Return what a table sets of a plan.

    Args:
        table: its values are of the types of their keys.
        at: its position.
        mistakes: what is wrong with its settings is added to these.
    """
    fields = {key: value for key, value in table.items() if key in FIELDS}
    found = Parameters(fields, at={key: (*at, key) for key in fields})
    for setting, value, place in unique_names(table.get("sysctls", {}), (*at, "sysctls"), mistakes):
        if wrong := sysctl_fault(setting) or level_fault(setting, value):
            mistakes.add(place, wrong)
        else:
            found.sysctls[setting] = str(value)
            found.at[setting] = place
    return found


def read_axes(table: dict[str, Any], at: Position, mistakes: Diagnostics) -> dict[str, Axis]:
    """Return the axes of a ``[matrix]``."""
    found = {}
    for name, values, place in unique_names(table, at, mistakes):
        if wrong := axis_fault(name):
            mistakes.add(place, wrong)
        elif not isinstance(values, list) or not values:
            mistakes.add(place, f"{name} must be a list of one or more values, not {show_value(values)}.")
        else:
            found[name] = Axis(values, place)
            check_levels(name, found[name], mistakes)
    return found


def check_levels(name: str, axis: Axis, mistakes: Diagnostics) -> None:
    """Add what is wrong with the values of an axis."""
    seen: list[Any] = []
    for index, value in enumerate(axis.values):
        if wrong := level_fault(name, value):
            mistakes.add((*axis.at, index), wrong)
            continue
        level = canonical_level(name, value)
        if level in seen:
            mistakes.add((*axis.at, index), f"{name} has the value {show_value(value)} twice.")
        seen.append(level)


def canonical_level(name: str, value: Any) -> Any:
    """Return a value of an axis such that two that mean the same are equal.

    Raises:
        msgspec.ValidationError: the axis has no such value.
    """
    return str(msgspec.convert(value, int | str)) if is_sysctl(name) else msgspec.convert(value, AXES[name])


def matching_level(name: str, values: list[Level], value: Any) -> Level | None:
    """Return that of an axis's values which a value means, or None."""
    if level_fault(name, value):
        return None
    level = canonical_level(name, value)
    return next((each for each in values if canonical_level(name, each) == level), None)


def level_fault(name: str, value: Any) -> str | None:
    """Return what is wrong with a value of a field or a setting by its type."""
    try:
        canonical_level(name, value)
    except msgspec.ValidationError:
        if is_sysctl(name):
            return f"{name} must be a whole number or a text, not {show_value(value)}."
        return wrong_type(name, value, AXES[name])
    return kernel_fault(value) if name == KERNEL else None


def kernel_fault(name: str) -> str | None:
    """Return what is wrong with the name of a kernel; whether there is such a package, only fetching it tells."""
    try:
        kernel_name(name)
    except UsageError as error:
        return str(error)
    return None


def axis_fault(name: str) -> str | None:
    """Return what is wrong with the name of an axis."""
    if name in AXES:
        return None
    if name == "sysctls" or name.startswith("sysctls."):
        return "Each setting is an axis of its own; leave out sysctls before its name."
    if name in NOT_SET:
        return f"{name} cannot be an axis; there are {', '.join(AXES)}, and the kernel's settings by dotted name."
    if is_sysctl(name):
        return sysctl_fault(name)
    close = suggestion(name, AXES)
    there = "" if close else f", of which there are {', '.join(AXES)}"
    return f"{show_value(name)} is no axis: neither a dotted setting nor a field of a plan{there}.{close}"


def sysctl_fault(name: str) -> str | None:
    """Return what is wrong with the name of a setting."""
    if name in sysctl.RECORDED or (SYSCTL.fullmatch(name) and sysctl.path(name).is_file()):
        return None
    if SYSCTL.fullmatch(name) and sysctl.path(name).is_dir():
        return f"{name} is a folder of settings; name one that is in it."
    prefix, _, last = name.rpartition(".")
    siblings = {each.rpartition(".")[2] for each in sysctl.RECORDED if each.rpartition(".")[0] == prefix}
    if SYSCTL.fullmatch(prefix) and sysctl.path(prefix).is_dir():
        siblings |= {each.name for each in sysctl.path(prefix).iterdir() if each.is_file()}
    # Within a folder the last part alone is compared: what all have in common would make anything look alike.
    close = suggestion(last, sorted(siblings)).replace("mean ", f"mean {prefix}.") if siblings else ""
    close = close or suggestion(name, sysctl.RECORDED)
    if not SYSCTL.fullmatch(name):
        return (
            f"{show_value(name)} is no network setting; give its dotted name, such as net.ipv4.tcp_fin_timeout.{close}"
        )
    return f"There is no setting {show_value(name)} on this machine, nor is it known from other kernels.{close}"
