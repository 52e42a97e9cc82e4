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
        parts += [Text(f"\nprofile: {title}{name}", style="bold"), *(Text(line) for line in sentences(act, unit))]
        parts += list(tables(act, everything=everything))
    return Group(*parts)


def sentences(act: ActDifference, unit: str) -> Iterator[str]:
    """Yield what can be said of a storm, in sentences."""
    base, new = act.units
    if act.whole.p is None:
        yield (
            f"{plural(base, f'profiled {unit}')} against {new}: no interval can be given, and no function is named. "
            "It takes two on either side; a suite makes one for each trial."
        )
        return
    named = [function for function in act.functions if function.named]
    for function in named:
        share = act.share(function.change)
        of_all = "and it is not sure that the whole changed" if share is None else f"{100 * share:.0f} %"
        yield f"{us_text(function.change)} in {function.name} of {us_text(act.whole)} for an attempt: {of_all}"
    for function in act.functions:
        if function.moved:
            places = [place for place in function.places if place.changed]
            where = ", ".join(f"{us_text(place.change)} in {place.whose} {place.call}" for place in places)
            yield f"{function.name} only moved: {where}"
    if not named:
        yield f"No function surely changed: {us_text(act.whole)} {range_text(act.whole)} for an attempt in all."


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
    return ns_text(change.base_ns), ns_text(change.new_ns), f"{change.ns:+,.0f}", range_text(change)


def range_text(change: Change) -> str:
    """Return the interval of a change."""
    return "" if change.low_ns is None else f"({change.low_ns:+,.0f} to {change.high_ns:+,.0f})"


def us_text(change: Change) -> str:
    """Return a difference in µs."""
    return f"{change.ns / MICROSECOND_NS:+.2f} µs"
