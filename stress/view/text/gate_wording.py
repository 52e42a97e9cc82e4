# SPDX-License-Identifier: MIT
"""The results of a gate in words, as its table, its Markdown and its JUnit file have them."""

from collections import Counter
from collections.abc import Iterable, Sequence

from stress.analysis.comparison.verdict import Unit
from stress.analysis.gate.result import ConditionResult, State
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import TIMED_UNITS, Effect, Estimate
from stress.model.text import join_words, plural
from stress.view.text import metric_wording as words
from stress.view.text.absence_wording import absence_text
from stress.view.text.breaking_wording import breaking_text
from stress.view.text.change_mark import is_apart, mark_note
from stress.view.text.comparison_wording import UNIT_WORDS, adds_to_new_alone, p_text
from stress.view.text.design_wording import condition_notes

SEVERITY = (State.BROKEN, State.NO_DATA, State.NO_BASELINE, State.INCONCLUSIVE, State.HOLDS)
NO_VALUE = "–"


def estimate_text(result: ConditionResult, estimate: Estimate | None) -> str:
    """Return a median with its unit; a dash without data."""
    return NO_VALUE if estimate is None else words.value_text(find_metric(result.condition.metric), estimate.median)


def effect_of(result: ConditionResult) -> Effect | None:
    """Return a result's change as an Effect, for the shared wording; None without a baseline."""
    if result.effect is None or result.low is None or result.high is None or result.new is None:
        return None
    kind = "ratio" if find_metric(result.condition.metric).unit in TIMED_UNITS else "difference"
    return Effect(
        "ratio" if kind == "ratio" else "difference",
        result.effect,
        result.low,
        result.high,
        result.new.trials,
        result.new.level,
        result.state is State.BROKEN,
    )


def effect_texts(result: ConditionResult) -> tuple[str, str]:
    """Return a change and its interval: ``('×1.14', '×1.08 to ×1.20')``."""
    effect = effect_of(result)
    return ("", "") if effect is None else (words.change_text(effect, effect.value), words.change_interval_text(effect))


def is_marked(result: ConditionResult) -> bool:
    """Return whether a change is not the one between the medians."""
    return is_apart(effect_of(result), result.base, result.new)


def marks_text(results: Iterable[ConditionResult]) -> str:
    """Return what marked changes are; ``""`` without any."""
    marked = [result for result in results if is_marked(result)]
    return mark_note((effect.kind, result.paired) for result in marked if (effect := effect_of(result)))


def held_notes(results: Iterable[ConditionResult]) -> list[str]:
    """Return why conditions are inconclusive whatever the numbers are, a sentence for each reason."""
    by_reason: dict[str, dict[str, None]] = {}
    for result in results:
        if result.held_back is not None and result.state is State.INCONCLUSIVE:
            by_reason.setdefault(result.held_back, {})[str(result.condition)] = None
    return [f"Inconclusive ({reason}): {join_words(list(exprs))}." for reason, exprs in by_reason.items()]


def notes(results: Sequence[ConditionResult]) -> list[str]:
    """Return what marked changes are, why conditions are held back, and what so few trials cannot decide."""
    return [note for note in (marks_text(results), *held_notes(results), *condition_notes(results)) if note]


def effect_text(result: ConditionResult) -> str:
    """Return a change with its interval: ``'×1.14 (×1.08 to ×1.20)'``."""
    change, interval = effect_texts(result)
    return f"{change} ({interval})" if interval else change


def state_text(result: ConditionResult) -> str:
    """Return a state, and the trials that would probably decide it: ``'inconclusive, +12 trials'``."""
    if result.state is State.INCONCLUSIVE and result.more_trials is not None:
        arm = " of new" if adds_to_new_alone(result.unit, result.base) else ""
        return f"inconclusive, +{plural(result.more_trials, UNIT_WORDS[result.unit])}{arm}"
    return f"{result.state.replace('-', ' ')}{', allowed' if result.excused else ''}"


def sentence(result: ConditionResult) -> str:
    """Return the result of a condition in one sentence."""
    where = f" of {result.row}" if result.row else ""
    seen = estimate_text(result, result.new)
    if result.state is State.NO_DATA:
        return f"{result.condition}{where}: {state_text(result)}: {no_data_text(result)}."
    if result.state is State.NO_BASELINE:
        return f"{result.condition}{where}: there is no baseline; the new runs have {seen}."
    breaking = breaking_text(result)
    if result.base is None:
        held = f" ({result.held_back})" if result.held_back is not None else ""
        return f"{result.condition}{where}: {state_text(result)}{held}; {breaking or f'the new runs have {seen}'}."
    change = f"{estimate_text(result, result.base)} became {seen}, {effect_text(result)}"
    if result.held_back is not None:
        return f"{result.condition}{where}: {state_text(result)} ({result.held_back}); {change}."
    p = f"p {p_text(result.adjusted_p)}{sessions_text(result)}{breaking and '; '}{breaking}"
    return f"{result.condition}{where}: {state_text(result)}; {change}, {p}."


def sessions_text(result: ConditionResult) -> str:
    """Return how many sessions the arms have: ``', by sessions: 14 against 1'``; ``''`` where trials are compared."""
    if result.unit is not Unit.SESSION or result.base is None or result.new is None:
        return ""
    return f", by sessions: {result.base.trials:,} against {result.new.trials:,}"


def no_data_text(result: ConditionResult) -> str:
    """Return why a condition has no data, without a full stop."""
    if result.absent:
        return absence_text(result.planned, result.absent)
    return result.reason or f"the new runs have no value of {result.condition.metric} to compare"


def allowed_text(allowed: Sequence[str]) -> str:
    """Return what was wrong and was allowed."""
    return f"Allowed by options: {', '.join(allowed)}."


def summary(results: Sequence[ConditionResult]) -> str:
    """Return a summary of all results: ``'2 of 12 conditions are broken; 10 hold.'``."""
    counts = Counter(result.state for result in results)
    others = {
        State.HOLDS: "hold",
        State.INCONCLUSIVE: "are inconclusive",
        State.NO_BASELINE: "have no baseline",
        State.NO_DATA: "have no data",
    }
    rest = ", ".join(f"{counts[state]} {what}" for state, what in others.items() if counts[state])
    broken = counts[State.BROKEN]
    begin = f"{broken or 'None'} of {plural(len(results), 'condition')} {'are' if broken > 1 else 'is'} broken"
    return f"{begin}; {rest}." if rest else f"{begin}."


def order_results(results: Iterable[ConditionResult]) -> list[ConditionResult]:
    """Return results by severity, broken conditions first."""
    return sorted(results, key=lambda result: SEVERITY.index(result.state))
