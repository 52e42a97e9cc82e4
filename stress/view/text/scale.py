# SPDX-License-Identifier: MIT
"""How rates grow with pairs of a client and a server, for a terminal."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stress.model.scale import ScaleStep, Spread
from stress.model.text import join_words
from stress.profile.contention import Growth, function_text
from stress.profile.difference import ActDifference
from stress.view.text.plain_table import plain_table
from stress.view.text.profile_difference import change_cells
from stress.view.text.profile_wording import DISPLACED_NOTE, function_mark, us_range, us_text
from stress.view.text.whole_table import WholeTable

UNSURE = 10  # functions that are shown though they may have grown by chance
CAPTION = (
    "Medians of {rounds} rounds, and quartiles of ratios. scaling: the engine's rate for a pair, by that of the first "
    "pair alone in the same round."
)


def scale_report(steps: Sequence[ScaleStep], growth: Growth | None, unprofiled: str) -> RenderableType:
    """Return the rates, what was given up for them, and what grew.

    Args:
        steps: one at least.
        growth: the profile of the last step against one pair; None without.
        unprofiled: why there is none.
    """
    parts: list[RenderableType] = [scale_table(steps)]
    parts += [Text(text) for text in dict.fromkeys(text for step in steps for text in step.given_up)]
    if growth is not None:
        parts += growth_parts(growth.functions)
        parts += [Text(text) for text in lock_sentences(growth)]
    else:
        parts.append(Text(f"profile: none. {unprofiled}"))
    return Group(*parts)


def scale_table(steps: Sequence[ScaleStep]) -> Table:
    """Return one row per step."""
    table = WholeTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", caption_justify="left")
    for column in ("pairs", "bare loops", "engine", "of a pair", "engine / bare", "scaling"):
        table.add_column(column, justify="right")
    for step in steps:
        slowest, fastest = step.pair_per_s
        of_a_pair = f"{slowest:,.0f}–{fastest:,.0f}" if step.pairs > 1 else f"{slowest:,.0f}"
        table.add_row(
            f"{step.pairs}",
            f"{step.bare_per_s:,.0f}/s",
            f"{step.engine_per_s:,.0f}/s",
            of_a_pair,
            spread_text(step.ratio),
            "" if step.scaling is None else spread_text(step.scaling),
        )
    table.caption = CAPTION.format(rounds=steps[0].rounds)
    return table


def spread_text(spread: Spread) -> str:
    """Return a median with its quartiles."""
    low, high = spread.quartiles
    return f"{spread.median:.3f} ({low:.3f}–{high:.3f})"


def growth_parts(growth: ActDifference) -> Iterator[RenderableType]:
    """Yield what cost more for an attempt with all pairs than with one, and what it is."""
    yield Text()
    yield Text(f"profile: 1 pair and {growth.act}, {growth.units[1]} windows each", style="bold")
    yield Text(growth_sentence(growth))
    table = plain_table(
        "ns for an attempt, with what it called", "1 pair", growth.act, "difference", "95 % interval", ""
    )
    table.add_row("the clients' loop", *change_cells(growth.measured), "")
    table.add_row("client and server, in samples", *change_cells(growth.whole), "")
    table.add_section()
    grown = [one for one in growth.functions if one.change.ns > 0]
    shown = [one for number, one in enumerate(grown) if one.changed or number < UNSURE]
    for function in shown:
        table.add_row(function.name, *change_cells(function.change), function_mark(function))
    yield table
    if any(function.displaced for function in shown):
        yield Text(DISPLACED_NOTE, style="dim")
    if any(not function.changed for function in shown):
        yield Text("Without a mark: it may be chance.", style="dim")
    for function in shown:
        if (what := function_text(function.name)) is not None:
            yield Text(f"{function.name}: {what}")


def lock_sentences(growth: Growth) -> Iterator[str]:
    """Yield who surely takes longer to get a lock."""
    for lock in growth.locks:
        if lock.changed and lock.change.ns > 0:
            yield f"locks taken in {lock.taker}: {us_text(lock.change.ns)} {us_range(lock.change)} more for an attempt"


def growth_sentence(growth: ActDifference) -> str:
    """Return which functions surely cost more, in a sentence."""
    named = [function for function in growth.functions if function.named and function.change.ns > 0]
    if named:
        parts = [f"{us_text(function.change.ns)} in {function.name}" for function in named]
        return f"Surely more for an attempt: {join_words(parts)}; {us_text(growth.whole.ns)} in all."
    change = growth.whole
    return f"No function surely costs more by itself: {us_text(change.ns)} {us_range(change)} for an attempt in all."
