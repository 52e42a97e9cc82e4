# SPDX-License-Identifier: MIT
"""The profiles of two arms as tables for a terminal: which functions a change came from."""

from collections.abc import Iterable, Iterator
from itertools import islice

from rich.console import Group, RenderableType
from rich.text import Text

from stress.model.text import plural
from stress.profile.change import Change
from stress.profile.difference import ActDifference
from stress.view.text.plain_table import plain_table
from stress.view.text.profile_wording import (
    CHANGED,
    DISPLACED_NOTE,
    function_mark,
    interval_text,
    ns_text,
    sentences,
    signed_text,
)

FUNCTIONS = 15  # without those that changed
PLACES = 3  # of a function


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


def tables(act: ActDifference, *, everything: bool) -> Iterator[RenderableType]:
    """Yield the functions of a storm as a table, with what it means."""
    table = plain_table("ns for an attempt, with what it called", "before", "after", "difference", "95 % interval", "")
    table.add_row("the clients' loop", *change_cells(act.measured), "")
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
        notes.append(DISPLACED_NOTE)
    if len(shown) < len(act.functions):
        notes.append(f"and {len(act.functions) - len(shown):,} more: --all")
    yield from (Text(note, style="dim") for note in notes)


def change_cells(change: Change) -> tuple[str, str, str, str]:
    """Return a change as cells."""
    return ns_text(change.base_ns), ns_text(change.new_ns), signed_text(change.ns, ",.0f"), interval_text(change)
