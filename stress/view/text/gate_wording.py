# SPDX-License-Identifier: MIT
"""Rulings of a gate in words, as its table, its Markdown and its JUnit file have them."""

from collections import Counter
from collections.abc import Sequence

from stress.analysis.gate.evaluate import ConditionResult, State
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import TIMED_UNITS, Effect, Estimate
from stress.model.text import plural
from stress.view.text import metric_wording as words
from stress.view.text.comparison_wording import p_text

GRAVE_FIRST = (State.BROKEN, State.NO_DATA, State.NO_BASELINE, State.INCONCLUSIVE, State.HOLDS)


def estimate_text(ruling: ConditionResult, estimate: Estimate | None) -> str:
    """Return a median with its unit; a dash without data."""
    return "–" if estimate is None else words.value_text(find_metric(ruling.condition.metric), estimate.median)


def effect_of(ruling: ConditionResult) -> Effect | None:
    """Return the change of a ruling as it is written elsewhere too; None where there is none."""
    if ruling.effect is None or ruling.low is None or ruling.high is None or ruling.new is None:
        return None
    kind = "ratio" if find_metric(ruling.condition.metric).unit in TIMED_UNITS else "difference"
    return Effect(
        "ratio" if kind == "ratio" else "difference",
        ruling.effect,
        ruling.low,
        ruling.high,
        ruling.new.trials,
        ruling.new.level,
        ruling.state is State.BROKEN,
    )


def effect_text(ruling: ConditionResult) -> str:
    """Return a change with its interval: ``'×1.14 (×1.08 to ×1.20)'``."""
    effect = effect_of(ruling)
    if effect is None:
        return ""
    interval = words.change_interval_text(effect)
    return words.change_text(effect, effect.median) + (f" ({interval})" if interval else "")


def state_text(ruling: ConditionResult) -> str:
    """Return a state, and what would decide it: ``'inconclusive, +12 trials'``."""
    if ruling.state is State.INCONCLUSIVE and ruling.more_trials is not None:
        return f"inconclusive, +{plural(ruling.more_trials, 'trial')}"
    return ruling.state.replace("-", " ")


def sentence(ruling: ConditionResult) -> str:
    """Return a ruling in one sentence."""
    where = f" of {ruling.row}" if ruling.row else ""
    seen = estimate_text(ruling, ruling.new)
    if ruling.state is State.NO_DATA:
        return f"{ruling.condition}{where}: the new runs have no value of {ruling.condition.metric}."
    if ruling.state is State.NO_BASELINE:
        return f"{ruling.condition}{where}: there is no baseline; the new runs have {seen}."
    if ruling.base is None:
        return f"{ruling.condition}{where}: {state_text(ruling)}; the new runs have {seen}."
    change = f"{estimate_text(ruling, ruling.base)} became {seen}, {effect_text(ruling)}"
    return f"{ruling.condition}{where}: {state_text(ruling)}; {change}, p {p_text(ruling.adjusted_p)}."


def summary(rulings: Sequence[ConditionResult]) -> str:
    """Return what all rulings come to: ``'2 of 12 conditions are broken; 10 hold.'``."""
    counts = Counter(ruling.state for ruling in rulings)
    others = {
        State.HOLDS: "hold",
        State.INCONCLUSIVE: "are inconclusive",
        State.NO_BASELINE: "have no baseline",
        State.NO_DATA: "have no data",
    }
    rest = ", ".join(f"{counts[state]} {what}" for state, what in others.items() if counts[state])
    broken = counts[State.BROKEN]
    begin = f"{broken or 'None'} of {plural(len(rulings), 'condition')} {'is' if broken == 1 else 'are'} broken"
    return f"{begin}; {rest}." if rest else f"{begin}."


def order_results(rulings: Sequence[ConditionResult]) -> list[ConditionResult]:
    """Return rulings, the gravest first."""
    return sorted(rulings, key=lambda ruling: GRAVE_FIRST.index(ruling.state))
