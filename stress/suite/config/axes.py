# SPDX-License-Identifier: MIT
"""What a suite may set and vary: fields of a plan and settings of the kernel, each with its position in the file."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stress.lab import sysctl
from stress.lab.sysctl_name import sysctl_matches
from stress.model.errors import UsageError
from stress.model.kernel import parse_kernel_name
from stress.model.layer import LAYER, parse_layer
from stress.model.link import LINK, Link, parse_link
from stress.model.suite import ARM, KERNEL, Level, is_sysctl
from stress.model.text import ambiguous_text
from stress.suite.config.diagnostics import Diagnostics, show_value, suggestion, wrong_type
from stress.suite.config.keys import AXES, FIELDS, LEVELS, NOT_SET
from stress.suite.config.toml_lines import Position

PARSERS: dict[str, Callable[[str], object]] = {
    KERNEL: parse_kernel_name,
    LINK: parse_link,
    LAYER: parse_layer,
}  # axes with a form of their own
SYSCTL = re.compile(r"net(\.[A-Za-z0-9_-]{1,64}){1,8}")


@dataclass
class Parameters:
    """What a table sets.

    Attributes:
        fields: of the plan, converted.
        sysctls: settings by dotted name.
        link: between client and server; None: as the scenario has it.
        at: the position of each field, each setting and the link.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    link: Link | None = None
    at: dict[str, Position] = field(default_factory=dict)

    def over(self, base: "Parameters") -> "Parameters":
        """Return these parameters, and those of a base that they do not set."""
        return Parameters(
            base.fields | self.fields, base.sysctls | self.sysctls, self.link or base.link, base.at | self.at
        )


@dataclass(frozen=True)
class Axis:
    """The values of an axis, as the file has them, and its position."""

    values: list[Level]
    at: Position


def flatten_names(table: dict[str, Any], at: Position) -> Iterator[tuple[str, Any, Position]]:
    """Yield the dotted name of each value of a nested table, the value, and its position.

    TOML reads ``net.ipv4.tcp_tw_reuse = 1`` without quotes as nested tables.
    """
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from ((f"{key}.{name}", inner, place) for name, inner, place in flatten_names(value, (*at, key)))
        else:
            yield key, value, (*at, key)


def unique_names(table: dict[str, Any], at: Position, diagnostics: Diagnostics) -> Iterator[tuple[str, Any, Position]]:
    """Yield as ``flatten_names`` does, with full names; one that occurs twice, such as with quotes, is an error."""
    seen: dict[str, Position] = {}
    for written, value, place in flatten_names(table, at):
        name = complete_axis(written)
        if name in seen:
            diagnostics.add(place, f"{show_value(name)} is there already{diagnostics.line(seen[name])}; leave one out.")
        else:
            seen[name] = place
            yield name, value, place


def complete_axis(name: str) -> str:
    """Return the full name of an axis or a setting whose short name is unambiguous, otherwise the name itself."""
    if name in LEVELS or name in NOT_SET or name == "sysctls":
        return name
    matches = sysctl_matches(name)
    return matches[0] if len(matches) == 1 else name


def read_parameters(table: dict[str, Any], at: Position, diagnostics: Diagnostics) -> Parameters:
    """Return what a table sets of a plan.

    Args:
        table: its values are of the types of their keys.
        at: its position.
        diagnostics: errors in its settings are added to these.
    """
    fields = {key: value for key, value in table.items() if key in FIELDS}
    result = Parameters(fields, at={key: (*at, key) for key in fields})
    for setting, value, place in unique_names(table.get("sysctls", {}), (*at, "sysctls"), diagnostics):
        if fault := sysctl_fault(setting) or level_fault(setting, value):
            diagnostics.add(place, fault)
        else:
            result.sysctls[setting] = str(value)
            result.at[setting] = place
    if LINK in table:
        if fault := name_fault(LINK, table[LINK]):
            diagnostics.add((*at, LINK), fault)
        else:
            result.link = parse_link(table[LINK])
            result.at[LINK] = (*at, LINK)
    return result


def read_axes(table: dict[str, Any], at: Position, diagnostics: Diagnostics) -> dict[str, Axis]:
    """Return the axes of a ``[matrix]``."""
    result = {}
    for name, values, place in unique_names(table, at, diagnostics):
        if fault := axis_fault(name):
            diagnostics.add(place, fault)
        elif not isinstance(values, list) or not values:
            diagnostics.add(place, f"{name} must be a list of one or more values, not {show_value(values)}.")
        else:
            result[name] = Axis(values, place)
            check_levels(name, result[name], diagnostics)
    return result


def check_levels(name: str, axis: Axis, diagnostics: Diagnostics) -> None:
    """Add the errors in the values of an axis."""
    seen: list[Any] = []
    for index, value in enumerate(axis.values):
        if fault := level_fault(name, value):
            diagnostics.add((*axis.at, index), fault)
            continue
        level = canonical_level(name, value)
        if level in seen:
            diagnostics.add((*axis.at, index), f"{name} has the value {show_value(value)} twice.")
        seen.append(level)


def canonical_level(name: str, value: Any) -> Any:
    """Return a value of an axis in canonical form: two values that mean the same are equal.

    Raises:
        msgspec.ValidationError: the axis has no such value.
    """
    return str(msgspec.convert(value, int | str)) if is_sysctl(name) else msgspec.convert(value, LEVELS[name])


def matching_level(name: str, values: list[Level], value: Any) -> Level | None:
    """Return the value of an axis that means the same as a given value, or None."""
    if level_fault(name, value):
        return None
    level = canonical_level(name, value)
    return next((candidate for candidate in values if canonical_level(name, candidate) == level), None)


def level_fault(name: str, value: Any) -> str | None:
    """Return a sentence when a value is not of the type of its field or setting, or None."""
    try:
        canonical_level(name, value)
    except msgspec.ValidationError:
        if is_sysctl(name):
            return f"{name} must be a whole number or a text, not {show_value(value)}."
        return wrong_type(name, value, LEVELS[name])
    return name_fault(name, value) if name in PARSERS else None


def name_fault(axis: str, name: str) -> str | None:
    """Return a sentence when the name of a kernel, link or layer is invalid, or None; it is not looked up."""
    try:
        PARSERS[axis](name)
    except UsageError as error:
        return str(error)
    return None


def axis_fault(name: str) -> str | None:
    """Return a sentence when the name of an axis is invalid, or None."""
    if name in AXES:
        return None
    if name == ARM:
        return "arm is an axis whose values are the [[arm]] tables; leave it out of [matrix]."
    if name == "sysctls" or name.startswith("sysctls."):
        return "Each setting is an axis of its own; leave out sysctls before its name."
    if name in NOT_SET:
        return f"{name} cannot be an axis; there are {', '.join(AXES)}, and the kernel's settings by dotted name."
    if is_sysctl(name) or sysctl_matches(name):
        return sysctl_fault(name)
    close = suggestion(name, AXES)
    there = "" if close else f", of which there are {', '.join(AXES)}"
    return f"{show_value(name)} is no axis: neither a dotted setting nor a field of a plan{there}.{close}"


def sysctl_fault(name: str) -> str | None:
    """Return a sentence when the name of a setting is invalid, or None."""
    if name in sysctl.RECORDED or (SYSCTL.fullmatch(name) and sysctl.sysctl_path(name).is_file()):
        return None
    if len(matches := sysctl_matches(name)) > 1:
        return ambiguous_text(name, matches)
    if SYSCTL.fullmatch(name) and sysctl.sysctl_path(name).is_dir():
        return f"{name} is a folder of settings; name one that is in it."
    prefix, _, last = name.rpartition(".")
    siblings = {known.rpartition(".")[2] for known in sysctl.RECORDED if known.rpartition(".")[0] == prefix}
    if SYSCTL.fullmatch(prefix) and sysctl.sysctl_path(prefix).is_dir():
        siblings |= {file.name for file in sysctl.sysctl_path(prefix).iterdir() if file.is_file()}
    # Within a folder only the last part is compared: the common prefix would make all names similar.
    close = suggestion(last, sorted(siblings)).replace("mean ", f"mean {prefix}.") if siblings else ""
    close = close or suggestion(name, sysctl.RECORDED)
    if not SYSCTL.fullmatch(name):
        return (
            f"{show_value(name)} is no network setting; give its dotted name, such as net.ipv4.tcp_fin_timeout.{close}"
        )
    return f"There is no setting {show_value(name)} on this machine, nor is it known from other kernels.{close}"
