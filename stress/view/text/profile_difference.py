# SPDX-License-Identifier: MIT
"""The profiles of two arms as tables for a terminal: which functions a change came from."""

from collections.abc import Iterable, Iterator
from itertools import islice

from rich.console import Group, RenderableType
from rich.text import Text

from stress.model.text import plural
from stress.profile.change import Change
from stress.profile.difference import ActDifference, FunctionChange
from stress.view.text.plain_table import plain_table
from stress.view.text.profile_table import DISPLACED, ns_text

FUNCTIONS = 15  # without those that changed
PLACES = 3  # of a function
MICROSECOND_NS = 1000
MINUS = "\N{MINUS SIGN}"
NAMED, CHANGED, MOVED = "named", "changed", "moved"


def profile_difference(title: str, acts: Iterable[ActDifference], unit: str, *, everything: bool) -> RenderableType:
    """Return the storms of a pair of arms.

    Args:
        title: of the pair.
        acts: its storms.
        unit: what one value stands for.
        everything: whether all functions are shown.
    """
    acts = list(acts)
    parts: list[RenderableType] = []
    for act in acts:
        name = f", {act.act}" if len(acts) > 1 else ""
        units = f": {act.units[0]} and {plural(act.units[1], f'profiled {unit}')}"
        parts += [
            Text(),
            Text(f"profile: {title}{name}{units}", style="bold"),
            *(Text(line) for line in sentences(act, unit)),
        ]
        parts += list(tables(act, everything=everything))
    return Group(*parts)


def sentences(act: ActDifference, unit: str) -> Iterator[str]:
    """Yield what can be said of a storm, in sentences."""
    if act.whole.p is None:
        yield f"With one {unit} on a side no interval can be given, and no function is named; it takes two on either."
        return
    named = [function for function in act.functions if function.named]
    for function in named:
        yield f"{us_text(function.change)} in {function.name} {share_text(act, function.change)}"
    for function in act.functions:
        if function.moved:
            places = [place for place in function.places if place.changed]
            where = ", ".join(f"{us_text(place.change)} in {place.whose} {place.call}" for place in places)
            yield f"{function.name} only moved: {where}"
    if not named:
        why = "No function surely changed"
        if any(function.changed for function in act.functions):
            why = "No function is named, for those that changed called what moved"
        yield f"{why}: {us_text(act.whole)} {us_range(act.whole)} for an attempt in all."


def share_text(act: ActDifference, change: Change) -> str:
    """Return what part a change is of that of the whole, which is said only where the whole surely changed."""
    share = act.share(change)
    if share is None:
        return f"for an attempt; it is not sure that the whole changed ({us_text(act.whole)})"
    if share < 0:
        return f"for an attempt, against the {us_text(act.whole)} of the whole"
    return f"of {us_text(act.whole)} for an attempt: {100 * share:.0f} %"


def tables(act: ActDifference, *, everything: bool) -> Iterator[RenderableType]:
    """Yield the functions of a storm as a table, with what it means."""
    table = plain_table("ns for an attempt, with what it called", "before", "after", "difference", "95 % interval", "")
    table.add_row("the clients' CPUs, by the clock", *change_cells(act.measured), "")
    table.add_row("client and server, in samples", *change_cells(act.whole), "")
    table.add_section()
    usual = set(islice((function.name for function in act.functions), FUNCTIONS))
    shown = [one for one in act.functions if everything or one.changed or one.moved or one.name in usual]
    for function in shown:
        table.add_row(function.name, *change_cells(function.change), function_mark(function))
        if function.named or function.moved or everything:
            places = function.places if everything else function.places[:PLACES]
            for place in places:
                table.add_row(
                    f"  {place.whose}, {place.call}", *change_cells(place.change), CHANGED if place.changed else ""
                )
    yield table
    notes = []
    if any(function.displaced for function in shown):
        notes.append(f"{DISPLACED} turns interrupts on, and has the time of what ran before while they were off")
    if len(shown) < len(act.functions):
        notes.append(f"and {len(act.functions) - len(shown):,} more: --all")
    yield from (Text(note, style="dim") for note in notes)


def function_mark(function: FunctionChange) -> str:
    """Return what is said of a function in its row."""
    if function.displaced:
        return DISPLACED
    return NAMED if function.named else CHANGED if function.changed else MOVED if function.moved else ""


def change_cells(change: Change) -> tuple[str, str, str, str]:
    """Return a change as cells."""
    ends = (change.low_ns, change.high_ns)
    interval = "" if None in ends else " to ".join(signed_text(end, ",.0f") for end in ends if end is not None)
    return ns_text(change.base_ns), ns_text(change.new_ns), signed_text(change.ns, ",.0f"), interval


def us_range(change: Change) -> str:
    """Return the interval of a change in µs; it has one."""
    ends = (change.low_ns or 0.0, change.high_ns or 0.0)
    return f"({' to '.join(signed_text(end / MICROSECOND_NS, ',.2f') for end in ends)})"


def signed_text(number: float, style: str) -> str:
    """Return a number with its sign."""
    return f"{number:+{style}}".replace("-", MINUS)


def us_text(change: Change) -> str:
    """Return a difference in µs."""
    return f"{signed_text(change.ns / MICROSECOND_NS, ',.2f')} µs"
