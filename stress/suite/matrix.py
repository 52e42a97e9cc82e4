# SPDX-License-Identifier: MIT
"""The matrix: which points of a suite's axes become cells, and what each of them does."""

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from stress.model.arm import SuiteArm, plan_for_arm
from stress.model.errors import UsageError
from stress.model.extra import require_package
from stress.model.kernel import HOST
from stress.model.layer import LAYER, layer_fault, parse_layer, plan_with_layer
from stress.model.link import LINK, parse_link
from stress.model.plan import IDENTITY_DIGITS, Plan
from stress.model.suite import ARM, KERNEL, TRIALS_MAX, Cell, Design, Entry, Level, Suite, is_sysctl
from stress.storm.catalogue import find_scenario
from stress.storm.check.link_rules import link_fault
from stress.suite.links import plan_across_link

Point = tuple[Level, ...]  # a value for each axis, in the order of the axes
CELLS_MAX = 10_000
PREFIXES = ("net.ipv4.", "net.core.")  # left out of names, which are clear without them


def build_cells(suite: Suite, *, host: bool = False) -> list[Cell]:
    """Return the cells of a suite, entry by entry, the baseline of each first unless it is excluded.

    Args:
        suite: what the file says.
        host: run on the host's own network stack.

    Raises:
        UsageError: all points are excluded, two cells have the same name, or there are too many.
    """
    cells = [cell for entry in suite.entries for cell in entry_cells(suite, entry, host=host)]
    if not cells:
        raise UsageError(f"The suite {suite.name} has no cell left: all are excluded.")
    refuse_cells(len(cells))
    if len(cells) * suite.trials > TRIALS_MAX:
        raise UsageError(
            f"{suite.trials:,} trials of {len(cells):,} cells are {len(cells) * suite.trials:,}, and a suite has "
            f"{TRIALS_MAX:,} at most; leave out cells, or give fewer trials."
        )
    for one, other in itertools.pairwise(sorted(cells, key=lambda cell: cell.name)):
        if one.name == other.name:
            raise UsageError(f"The suite {suite.name} has two cells named {one.name!r}; give their scenarios labels.")
    return cells


def entry_cells(suite: Suite, entry: Entry, *, host: bool) -> Iterator[Cell]:
    """Yield the cells of one entry."""
    base = {axis: suite.baseline.get(axis, values[0]) for axis, values in entry.axes.items()}
    axes = {
        axis: [base[axis], *(value for value in values if value != base[axis])] for axis, values in entry.axes.items()
    }
    for point in design_points(suite.design, list(axes.values())):
        levels = dict(zip(axes, point, strict=True))
        if is_excluded(suite.exclude, entry.label, levels):
            continue
        differs = {axis: value for axis, value in levels.items() if value != base[axis]}
        arm = suite.find_arm(str(levels.get(ARM, "")))
        plan = plan_at_point(entry.plan, levels, host=host, arm=arm)
        yield Cell(
            name=" ".join(
                [entry.label, *(f"{short_axis_name(axis)}={level_text(value)}" for axis, value in differs.items())]
            ),
            scenario=entry.label,
            levels=levels,
            baseline=not differs,
            plan=plan,
            identity=cell_identity(plan, arm),
            measures=entry.measures,
            profile=entry.profile,
            kernel=str(levels.get(KERNEL, HOST)),
            arm=arm.name if arm else "",
        )


def cell_identity(plan: Plan, arm: SuiteArm | None) -> str:
    """Return a hash of a plan without its seed, and of what its arm is."""
    if arm is None:
        return plan.identity
    text = f"{plan.identity} ".encode() + msgspec.json.encode(arm, order="sorted")
    return hashlib.sha256(text).hexdigest()[:IDENTITY_DIGITS]


def design_points(design: Design, axes: list[list[Level]]) -> Iterable[Point]:
    """Return the points of a design, the baseline first; the baseline is the first value of each axis.

    Pairwise: few points in which every pair of values of two axes occurs (Bach and Schroeder's "All Pairs"), by
    allpairspy.

    Raises:
        UsageError: there are too many to make a list of.
    """
    refuse_cells(count_points(design, [len(values) for values in axes]))
    if design is Design.FULL:
        return itertools.product(*axes)
    base = tuple(values[0] for values in axes)
    if design is Design.ONE_AT_A_TIME:
        others = (
            (*base[:place], value, *base[place + 1 :]) for place, values in enumerate(axes) for value in values[1:]
        )
        return itertools.chain([base], others)
    if len(axes) < 2 or any(len(values) == 1 for values in axes):
        return pairwise_of_few(axes)
    require_package("allpairspy", "compare", 'design = "pairwise"')
    from allpairspy import AllPairs  # noqa: PLC0415  # an extra

    return dict.fromkeys([base, *(tuple(point) for point in AllPairs(axes))])


def count_points(design: Design, sizes: list[int]) -> int:
    """Return how many points a design has, by how many values each axis has; of a pairwise one the fewest possible."""
    if design is Design.FULL:
        return math.prod(sizes)
    if design is Design.ONE_AT_A_TIME:
        return 1 + sum(size - 1 for size in sizes)
    return math.prod(sorted(sizes)[-2:])


def refuse_cells(count: int) -> None:
    """Raise UsageError when there are too many cells."""
    if count > CELLS_MAX:
        raise UsageError(
            f"The matrix has {count:,} cells, and a suite has {CELLS_MAX:,} at most; leave out values, or use "
            'design = "one-at-a-time" or "pairwise".'
        )


def pairwise_of_few(axes: list[list[Level]]) -> Iterable[Point]:
    """Return the pairwise points where some axes have one value only, which allpairspy does not accept."""
    several = [values for values in axes if len(values) > 1]
    chosen = design_points(Design.PAIRWISE if len(several) > 1 else Design.FULL, several)
    for point in chosen:
        rest = iter(point)
        yield tuple(next(rest) if len(values) > 1 else values[0] for values in axes)


def is_excluded(rules: Iterable[dict[str, Level]], label: str, levels: dict[str, Level]) -> bool:
    """Return whether a point has all the values of one of the rules."""
    point = levels | {"scenario": label}
    return any(all(axis in point and point[axis] == value for axis, value in rule.items()) for rule in rules)


def plan_at_point(plan: Plan, levels: dict[str, Level], *, host: bool, arm: SuiteArm | None = None) -> Plan:
    """Return a plan with the values of a point, whose arm is given."""
    fields: dict[str, Any] = {
        axis: value for axis, value in levels.items() if axis not in (KERNEL, ARM) and not is_sysctl(axis)
    }
    if arm is not None and arm.serve is not None:
        plan = plan_for_arm(plan, arm)
    link, layer = fields.pop(LINK, None), fields.pop(LAYER, None)
    settings = {axis: level_text(value) for axis, value in levels.items() if is_sysctl(axis)}
    if "family" in fields:
        plan = plan.with_family(fields.pop("family"))
    if link is not None:
        plan = plan_across_link(plan, parse_link(link))
    if layer is not None:
        plan = plan_with_layer(plan, parse_layer(layer))
    fields["host"] = host or fields.get("host", plan.host)
    if fields["host"] and not plan.host:  # the host is an axis, or the plan was not read from a file
        plan = plan.on_host()
    return msgspec.convert(msgspec.structs.asdict(plan) | fields | {"sysctls": plan.sysctls | settings}, Plan)


def point_fault(plan: Plan, levels: dict[str, Level]) -> tuple[str, str] | None:
    """Return an axis, and a sentence when a scenario's plan cannot have its link or layer at a point, or None."""
    if LINK in levels and (fault := link_fault(plan, parse_link(str(levels[LINK])))):
        return LINK, fault
    if LAYER in levels:
        layer, usual = parse_layer(str(levels[LAYER])), find_scenario(plan.scenario).plan
        if fault := layer_fault(plan, layer, levels, usual):
            return LAYER, fault
    return None


def short_axis_name(axis: str) -> str:
    """Return the name of an axis without its prefix: ``tcp_tw_reuse``."""
    for prefix in PREFIXES:
        axis = axis.removeprefix(prefix)
    return axis


def level_text(value: Level) -> str:
    """Return a value as the kernel writes it."""
    if isinstance(value, bool):
        return str(int(value))
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
