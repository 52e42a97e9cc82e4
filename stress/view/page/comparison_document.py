# SPDX-License-Identifier: MIT
"""The document of a comparison: what changed between arms, and how sure that is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stress.analysis.comparison.verdict import Comparison, Verdict
from stress.analysis.metric import METRICS, find_metric
from stress.analysis.statistics.trials import Estimate, median_interval
from stress.model.observation import Observation
from stress.model.text import join_words, plural
from stress.model.units import kernel_text
from stress.view.page.document import (
    Command,
    Document,
    Fact,
    Figures,
    Interactive,
    Notice,
    PageCell,
    PageColumn,
    PageTable,
    ProfileSection,
)
from stress.view.page.forest_part import comparison_forest
from stress.view.page.notice_parts import BUSY, DIFFERENCE, WARNING, warning_notices
from stress.view.page.proof_parts import books_parts, cause_parts, packet_ladders, unproved_sentences
from stress.view.text import comparison_wording as words
from stress.view.text.change_mark import MARK
from stress.view.text.comparison_rows import TONES, held_notes, mark_notes, more_notes, units_text
from stress.view.text.design_wording import comparison_notes
from stress.view.text.metric_wording import interval_text, value_text
from stress.view.text.plan_command import run_command
from stress.view.text.table import Tone

FIGURES_OF = ("rate", "body.p50", "body.p90", "body.p99", "body.p999", "body.max", "duration")
READING = (
    "Medians over the trials of one side, each with the interval that holds the true one. Body: attempts that "
    "connected at once; whatever waited for a SYN sent again, or failed, is in the counts."
)
NAMED_MAX = 2  # changes of either direction that the verdict names
ROWS_MAX = 2000  # of the table
SIDES_MAX = 40  # whose figures, proofs and books are shown
MARKS = {Verdict.REGRESSED: "✕", Verdict.IMPROVED: "◆", Verdict.INCONCLUSIVE: "○", Verdict.EQUIVALENT: "■"}


@dataclass(frozen=True)
class Side:
    """A column of a row with its runs: what is compared, or what it is compared with."""

    name: str
    runs: Sequence[Observation]


@dataclass(frozen=True)
class ComparedSides:
    """A comparison as it was asked for.

    Attributes:
        comparisons: decided together.
        sides: all columns of all rows.
        differences: sentences about what else differed.
        busy: sentences about a machine that was not quiet, without a full stop.
        warnings: others, without a full stop.
        command: that prints the same comparison.
    """

    comparisons: Sequence[Comparison]
    sides: Sequence[Side]
    differences: Sequence[str]
    busy: Sequence[str]
    warnings: Sequence[str]
    command: str


def comparison_document(
    compared: ComparedSides, timeline: Interactive | None = None, note: str = "", profile: ProfileSection | None = None
) -> Document:
    """Return the document of a comparison."""
    comparisons, sides = compared.comparisons, compared.sides[:SIDES_MAX]
    forest = comparison_forest(comparisons)
    summaries = {side.name: side.runs[0].summary for side in sides if side.runs}
    arms = words.arms_text(comparisons)
    return Document(
        title=arms or f"{plural(len(compared.sides), 'side')} compared",
        verdict=comparison_verdict(comparisons),
        details=(*comparison_details(comparisons), *(profile.named if profile else ())),
        tone=comparison_tone(comparisons),
        facts=tuple(comparison_facts(compared.sides)),
        notices=(
            *(Notice(DIFFERENCE, text, grave=True) for text in compared.differences),
            *(Notice(BUSY, f"{text}.", grave=True) for text in compared.busy),
            *(Notice(WARNING, f"{text}.") for text in compared.warnings),
            *(Notice(WARNING, f"{text.rstrip('.')}.") for text in comparison_notes(comparisons)),
            *warning_notices(text for side in sides for run in side.runs for text in run.summary.warnings),
        ),
        graphics=(forest,) if forest else (),
        tables=(comparisons_table(comparisons),) if comparisons else (),
        figures=tuple(side_figures(side) for side in sides if side.runs),
        profile=profile,
        interactive=timeline,
        interactive_note=note,
        causes=cause_parts(summaries),
        proofs_of="Of the first run of each side; the table has all.",
        unproved=unproved_sentences(summaries),
        ladders=packet_ladders(summaries),
        books=books_parts(summaries),
        commands=(Command("this comparison", (compared.command,)), *side_commands(sides)),
    )


def comparison_details(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Yield how many comparisons have which verdict, and why; what all rows set, and how they were tested."""
    shown = [item for item in comparisons if not words.is_of_nothing(item)]
    if comparisons:
        yield words.sentence(comparisons)
        yield from held_notes(shown)
        yield from filter(None, [words.constants_text(shown)])
        yield words.method_text(comparisons)


def comparison_verdict(comparisons: Sequence[Comparison]) -> str:
    """Return what changed for the worse and for the better, of what gates where anything does."""
    items = [item for item in comparisons if item.gating] or list(comparisons)
    parts = [
        f"{word}: {changes_text([item for item in words.order_comparisons(items) if item.verdict is verdict])}."
        for word, verdict in (("Worse", Verdict.REGRESSED), ("Better", Verdict.IMPROVED))
        if any(item.verdict is verdict for item in items)
    ]
    if parts:
        return " ".join(parts)
    if not items:
        return words.sentence(comparisons)
    open_count = sum(item.verdict is not Verdict.EQUIVALENT for item in items)
    if not open_count:
        return f"No change: all {plural(len(items), 'comparison')} are equivalent within the least that matters."
    return f"No change is sure, and {open_count:,} of {plural(len(items), 'comparison')} are not decided."


def changes_text(items: Sequence[Comparison]) -> str:
    """Return the first changes: ``body p99 of closewait ×1.40 and 2 more``."""
    names = [
        f"{words.name_text(item)}{f' of {item.row}' if item.row else ''} {words.effect_texts(item)[0]}"
        for item in items[:NAMED_MAX]
    ]
    return join_words([*names, *([f"{len(items) - NAMED_MAX:,} more"] if items[NAMED_MAX:] else [])])


def comparison_tone(comparisons: Sequence[Comparison]) -> Tone:
    """Return what the verdict says: something that gates is worse, or better, or is not known."""
    verdicts = {item.verdict for item in comparisons if item.gating} or {item.verdict for item in comparisons}
    for verdict in (Verdict.REGRESSED, Verdict.IMPROVED, Verdict.INCONCLUSIVE, Verdict.NO_DATA):
        if verdict in verdicts:
            return Tone.UNDECIDED if verdict is Verdict.NO_DATA else TONES[verdict]
    return Tone.HOLDS


def comparison_facts(sides: Sequence[Side]) -> Iterator[Fact]:
    """Yield the programs, kernels and dates of all runs."""
    runs = [run for side in sides for run in side.runs]
    yield Fact("program", join_words(list(dict.fromkeys(run.program for run in runs))))
    yield Fact("kernel", "; ".join(dict.fromkeys(kernel_text(run.host.kernel, run.host.jiffy_ns) for run in runs)))
    yield Fact("host", "; ".join(dict.fromkeys(f"{run.host.cpu}, {run.host.cpus} CPUs" for run in runs)))
    begun = sorted(run.started_utc[:16].replace("T", " ") for run in runs)
    yield Fact("runs", f"{len(runs):,}, {begun[0]} to {begun[-1]} UTC" if begun else "none")


def comparisons_table(comparisons: Sequence[Comparison]) -> PageTable:
    """Return one row per comparison, the most important first."""
    heads = (("metric", False), ("base", True), ("new", True), ("change", True), ("p", True), ("trials", True))
    columns = (PageColumn("row"), *(PageColumn(*head) for head in heads), PageColumn("verdict"))
    shown = [item for item in comparisons if not words.is_of_nothing(item)]
    pairs = [(group, item) for group, items in words.group_by_row(shown).items() for item in items]
    rows = tuple(comparison_cells(group, item) for group, item in pairs[:ROWS_MAX])
    over = units_text(shown) if shown else "trials"
    notes = [f"Medians over {over} with their intervals; p is corrected. Bold: gates; the others are explored."]
    notes += [*mark_notes(shown), *more_notes(shown)]
    if hidden := len(comparisons) - len(shown):
        notes.append(f"Left out: {plural(hidden, 'comparison')} of nothing with nothing (zero or no value in both).")
    if pairs[ROWS_MAX:]:
        notes.append(f"{len(pairs) - ROWS_MAX:,} more comparisons are not in this page.")
    return PageTable(
        "comparisons", "Every comparison, the most important first", columns, rows, tuple(notes), is_sortable=True
    )


def comparison_cells(group: str, item: Comparison) -> tuple[PageCell, ...]:
    """Return the row of a comparison."""
    tone = TONES[item.verdict]
    change, interval = words.effect_texts(item)
    verdict = words.verdict_text(item)
    return (
        PageCell(group or "all", order=group),
        PageCell(words.name_text(item), order=item.metric, tone=Tone.STRONG if item.gating else Tone.PLAIN),
        estimate_cell(item, item.base_estimate),
        estimate_cell(item, item.new_estimate),
        PageCell(f"{change}{MARK if words.is_marked(item) else ''}", interval, order=item.effect, tone=tone),
        PageCell(words.p_text(item.adjusted_p), order=item.adjusted_p),
        PageCell(words.trials_text(item), order=least_trials(item), tone=Tone.QUIET),
        PageCell(verdict, order=words.SEVERITY.index(item.verdict), tone=tone, mark=MARKS.get(item.verdict, "")),
    )


def least_trials(item: Comparison) -> int:
    """Return how many trials, or sessions, the arm with fewer of them has."""
    return min(estimate.trials if estimate else 0 for estimate in (item.base_estimate, item.new_estimate))


def estimate_cell(item: Comparison, estimate: Estimate | None) -> PageCell:
    """Return an arm's median with its interval."""
    interval = interval_text(find_metric(item.metric), estimate) if estimate else ""
    return PageCell(words.estimate_text(item, estimate), interval, order=estimate.median if estimate else None)


def side_figures(side: Side) -> Figures:
    """Return the percentiles, rates and counts of a side."""
    counted = [name for name in METRICS if name.startswith(("outcome.", "cause."))]
    values = {
        name: [float(value) for run in side.runs if (value := METRICS[name].value(run.summary)) is not None]
        for name in (*FIGURES_OF, *counted)
    }
    facts = []
    for name, numbers in values.items():
        estimate = median_interval(numbers)
        if estimate is None or (name in counted and not any(numbers)):
            continue
        metric, interval = METRICS[name], interval_text(METRICS[name], estimate)
        text = value_text(metric, estimate.median) + ("/s" if metric.unit == "/s" else "")
        facts.append(Fact(name.replace(".", " ").replace("_", " "), f"{text} ({interval})" if interval else text))
    return Figures(f"{side.name}: {plural(len(side.runs), 'trial')}", tuple(facts), READING)


def side_commands(sides: Sequence[Side]) -> Iterator[Command]:
    """Yield the command that makes a run of each side, those that are equal once."""
    by_command: dict[str, list[str]] = {}
    unsaid_by: dict[str, list[str]] = {}
    for side in sides:
        if side.runs:
            command, unsaid = run_command(side.runs[0].plan)
            if command:
                by_command.setdefault(command, []).append(side.name)
                unsaid_by[command] = unsaid
    for command, names in by_command.items():
        unsaid = unsaid_by[command]
        note = f"Not said by it: {', '.join(unsaid)}; the whole plan is in run.json." if unsaid else ""
        yield Command(
            f"a trial of {join_words(names[:3] + ([f'{len(names) - 3} more'] if names[3:] else []))}", (command,), note
        )
