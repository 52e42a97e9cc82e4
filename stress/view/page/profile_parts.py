# SPDX-License-Identifier: MIT
"""Profiles in a page as tables: the book of an attempt, its functions, and what differs between two arms."""

from collections.abc import Iterator, Sequence

from stress.model.text import plural
from stress.profile.change import Change
from stress.profile.costs import ActCosts, Cost
from stress.profile.difference import ActDifference, FunctionChange
from stress.view.page.document import PageCell, PageColumn, PageTable
from stress.view.text.profile_wording import (
    CHANGED,
    DISPLACED,
    DISPLACED_NOTE,
    MOVED,
    NAMED,
    NAMES,
    SAMPLES_MIN,
    function_mark,
    interval_text,
    ns_text,
    signed_text,
)
from stress.view.text.table import Tone

FUNCTIONS_MAX = 400  # rows of a table
LARGEST = 10  # of the differences that are shown in any case
HOW_SURE = (
    "Mean ns for an attempt over trials; below the difference its 95 % interval. Changed is what surely did by its "
    "time and by its share of the whole, after correction (Holm)."
)
ONE_TRIAL = "Mean ns for an attempt over trials."
INDENT = "\N{NO-BREAK SPACE}" * 3
COSTS = (*(PageColumn(head, is_number=True) for head in ("ns", "±", "samples")),)
MARK_TONES = {NAMED: Tone.WORSE, CHANGED: Tone.STRONG, MOVED: Tone.STRONG}


def book_tables(costs: ActCosts, number: int) -> Iterator[PageTable]:
    """Yield where the measured time of an attempt went, and what the server did for it.

    Args:
        costs: of one storm.
        number: of its part of the page.
    """
    cpus = f"CPU{'s' * (len(costs.cpus) > 1)} {', '.join(map(str, costs.cpus))}"
    rows = [
        *cost_rows([costs.client]),
        *cost_rows(costs.calls, INDENT),
        *cost_rows(costs.here),
        (PageCell("without a sample"), PageCell(ns_text(costs.unsampled_ns)), PageCell(""), PageCell("")),
        (PageCell("measured by the clock", tone=Tone.STRONG), PageCell(ns_text(costs.measured_ns), tone=Tone.STRONG))
        + (PageCell(""),) * 2,
    ]
    heads = (PageColumn(f"an attempt on the clients' {cpus}"), *COSTS)
    yield PageTable(
        f"book-{number}", "The book of an attempt: all the time that the clients' CPUs had", heads, (*rows,)
    )
    if costs.server.samples:
        rows = [*cost_rows([costs.server]), *cost_rows(costs.server_calls, INDENT)]
        heads = (PageColumn("the server, on any CPU, for an attempt"), *COSTS)
        yield PageTable(f"server-{number}", "What the server did for an attempt", heads, (*rows,))


def cost_rows(costs: Sequence[Cost], indent: str = "") -> Iterator[tuple[PageCell, ...]]:
    """Yield a row for each cost; indented ones with few samples share one."""
    for cost in costs:
        if cost.samples >= SAMPLES_MIN or not indent:
            yield cost_cells(f"{indent}{NAMES.get(cost.name, cost.name)}", cost.ns, cost.error_ns, cost.samples)
    few = [cost for cost in costs if indent and cost.samples < SAMPLES_MIN]
    if few:
        samples = sum(cost.samples for cost in few)
        yield cost_cells(f"{indent}{len(few):,} more", sum(cost.ns for cost in few), None, samples)


def cost_cells(name: str, ns: float, error_ns: float | None, samples: int) -> tuple[PageCell, ...]:
    """Return the row of a cost."""
    error = "" if error_ns is None else ns_text(error_ns)
    return PageCell(name), PageCell(ns_text(ns)), PageCell(error), PageCell(f"{samples:,}")


def functions_table(functions: Sequence[tuple[str, Cost]], number: int) -> PageTable:
    """Return the functions of client and server as a table: all that have enough samples.

    Args:
        functions: whose they were, and what they cost, the most expensive first.
        number: of the part of the page.
    """
    enough = [(whose, cost) for whose, cost in functions if cost.samples >= SAMPLES_MIN]
    rows = tuple(function_cells(whose, cost) for whose, cost in enough[:FUNCTIONS_MAX])
    notes = [DISPLACED_NOTE] if any(cost.is_displaced for _, cost in enough[:FUNCTIONS_MAX]) else []
    if few := len(functions) - len(enough):
        notes.append(f"{few:,} more have fewer than {SAMPLES_MIN} samples.")
    if beyond := len(enough) - len(rows):
        notes.append(f"{beyond:,} more are not in this page: connstorm show RUN --profile prints all.")
    heads = ("ns with its calls", "±", "ns alone", "samples")
    columns = (PageColumn("function"), PageColumn("whose"), *(PageColumn(head, is_number=True) for head in heads))
    caption = "Functions of the kernel, for an attempt, in whatever place"
    return PageTable(f"functions-{number}", caption, columns, rows, tuple(notes), is_sortable=True)


def function_cells(whose: str, cost: Cost) -> tuple[PageCell, ...]:
    """Return the row of a function."""
    return (
        PageCell(cost.name, order=cost.name),
        PageCell(whose, order=whose),
        PageCell(ns_text(cost.ns), order=cost.ns),
        PageCell(ns_text(cost.error_ns), order=cost.error_ns),
        PageCell(f"{ns_text(cost.own_ns)}{DISPLACED if cost.is_displaced else ''}", order=cost.own_ns),
        PageCell(f"{cost.samples:,}", order=cost.samples),
    )


def difference_tables(act: ActDifference, number: int) -> tuple[PageTable, PageTable]:
    """Return the functions of two arms as two tables: what is said of them and the largest differences; and all.

    Args:
        act: their profiles.
        number: of the part of the page.
    """
    whole = [
        change_cells("the clients' loop", "by the clock", act.measured, ""),
        change_cells("client and server, in samples", "any place", act.whole, ""),
    ]
    said = [one for one in act.functions if one.named or one.moved]
    largest = [one for one in act.functions[:LARGEST] if one not in said]
    short = [*whole, *(row for one in said for row in function_rows(one)), *(function_row(one) for one in largest)]
    rows = [*whole, *(row for one in act.functions for row in function_rows(one))]
    columns = (
        PageColumn("function, with what it called"),
        PageColumn("place"),
        *(PageColumn(head, is_number=True) for head in ("ns before", "after", "difference")),
        PageColumn("verdict"),
    )
    notes = [HOW_SURE if act.whole.p is not None else ONE_TRIAL]
    notes += [DISPLACED_NOTE] if any(one.displaced for one in act.functions) else []
    more = (f"{plural(len(rows) - FUNCTIONS_MAX, 'more row')}: connstorm compare --profile --all.",)
    return (
        PageTable(f"difference-{number}", "What changed, and the largest differences", columns, (*short,), (*notes,)),
        PageTable(
            f"functions-{number}",
            f"All functions with at least {SAMPLES_MIN} samples a trial, the largest difference first",
            columns,
            (*rows[:FUNCTIONS_MAX],),
            more if rows[FUNCTIONS_MAX:] else (),
            is_sortable=True,
        ),
    )


def function_rows(function: FunctionChange) -> Iterator[tuple[PageCell, ...]]:
    """Yield the row of a function, and below it its places where one of them or the function changed."""
    yield function_row(function)
    if function.changed or function.moved or any(place.changed for place in function.places):
        for place in function.places:
            mark = CHANGED if place.changed else ""
            yield change_cells(f"{INDENT}{function.name}", f"{place.whose}, {place.call}", place.change, mark)


def function_row(function: FunctionChange) -> tuple[PageCell, ...]:
    """Return the row of a function, wherever it was."""
    return change_cells(function.name, "any place", function.change, function_mark(function))


def change_cells(name: str, place: str, change: Change, mark: str) -> tuple[PageCell, ...]:
    """Return the row of a change."""
    tone = MARK_TONES.get(mark, Tone.PLAIN)
    return (
        PageCell(name, order=name),
        PageCell(place, order=place),
        PageCell(ns_text(change.base_ns), order=change.base_ns),
        PageCell(ns_text(change.new_ns), order=change.new_ns),
        PageCell(signed_text(change.ns, ",.0f"), interval_text(change), order=change.ns, tone=tone),
        PageCell(mark, order=mark or None, tone=tone),
    )


def named_functions(functions: Sequence[FunctionChange]) -> frozenset[str]:
    """Return the functions that are named as the reason."""
    return frozenset(function.name for function in functions if function.named)
