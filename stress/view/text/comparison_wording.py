# SPDX-License-Identifier: MIT
"""Wording and order of comparisons, shared by the table, the Markdown and the forest plot."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from stress.analysis.comparison.change import effect_of
from stress.analysis.comparison.session_family import adds_new_alone
from stress.analysis.comparison.verdict import ALPHA, Comparison, Unit, Verdict
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import Estimate
from stress.model.text import join_words, number_text, plural
from stress.view.text import metric_wording as words
from stress.view.text.change_mark import is_apart
from stress.view.text.session_wording import sessions_text

# Most important first. Missing data comes before equivalence, because it may hide anything.
SEVERITY = (Verdict.REGRESSED, Verdict.IMPROVED, Verdict.INCONCLUSIVE, Verdict.NO_DATA, Verdict.EQUIVALENT)
CHANGED = (Verdict.REGRESSED, Verdict.IMPROVED)
SETTING_BEGINS = re.compile(r" (?=[\w.]+=)")  # in the name of a cell
NAMED_MAX = 3  # regressions that the sentence names
UNIT_WORDS = {Unit.BLOCK: "trial", Unit.TRIAL: "trial", Unit.SESSION: "session"}
# How arms are compared, by what one value of them stands for.
METHODS = {
    Unit.BLOCK: ("trials compared within blocks", "within blocks"),
    Unit.TRIAL: ("arms compared as a whole, not within blocks", "as a whole"),
    Unit.SESSION: ("arms compared by sessions", "by sessions"),
}
LEAST_P = 0.001  # smaller p-values are written as "<0.001"


def effect_size(comparison: Comparison) -> float:
    """Return how large a change is in thresholds; 0 without data."""
    effect = comparison.effect
    if effect is None:
        return 0.0
    if comparison.kind == "difference":
        return abs(effect) / comparison.threshold if comparison.threshold else abs(effect)
    return (max(effect, 1 / effect) - 1) / comparison.threshold if comparison.threshold else max(effect, 1 / effect)


def order_comparisons(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Return comparisons in order of importance: by verdict, then those that gate, then by size of change."""
    return sorted(comparisons, key=lambda item: (*importance(item), item.metric))


def group_by_row(comparisons: Sequence[Comparison]) -> dict[str, list[Comparison]]:
    """Return the comparisons of each row in order of importance, and the rows the worst first.

    Where comparisons have different arms, the name of a row includes its arms. What is equal in the names of all rows
    is left out: ``constants_text`` has it.
    """
    several = has_several_arms(comparisons)
    constants = shared_settings({comparison.row for comparison in comparisons})
    rows: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        rows.setdefault(row_name(comparison, several=several, constants=constants), []).append(comparison)
    in_order = {name: order_comparisons(row) for name, row in rows.items()}
    # The sort is stable: rows that are equally bad keep their order.
    return dict(sorted(in_order.items(), key=lambda item: importance(item[1][0])))


def importance(comparison: Comparison) -> tuple[int, bool, float]:
    """Return the sort key of a comparison among others: by verdict, then those that gate, then by size of change."""
    return SEVERITY.index(comparison.verdict), not comparison.gating, -effect_size(comparison)


def has_several_arms(comparisons: Iterable[Comparison]) -> bool:
    """Return whether comparisons have different arms."""
    return len({(comparison.base, comparison.new) for comparison in comparisons}) > 1


def row_name(comparison: Comparison, *, several: bool, constants: Collection[str] = ()) -> str:
    """Return the name of a comparison's row without some settings, and of several arms with its own."""
    name = " ".join(part for part in name_parts(comparison.row) if part not in constants)
    return f"{name}: {pair_text(comparison)}" if several else name


def name_parts(name: str) -> list[str]:
    """Return the parts of a name such as ``clean mines=5 ip_local_port_range=1024 65535``: a value may have blanks."""
    return SETTING_BEGINS.split(name)


def shared_settings(names: Collection[str]) -> list[str]:
    """Return the settings that all of several names have, with the same value."""
    if len(names) < 2:
        return []
    first, *others = map(name_parts, sorted(names))
    return [part for part in first if "=" in part and all(part in other for other in others)]


def constants_text(comparisons: Sequence[Comparison]) -> str:
    """Return the settings that are equal in all rows: ``'All with mines=500.'``; ``''`` without any."""
    shared = shared_settings({comparison.row for comparison in comparisons})
    return f"All with {', '.join(shared)}." if shared else ""


def pair_text(comparison: Comparison) -> str:
    """Return the arms of a comparison: ``'new against base'``; of cells of one scenario what sets them apart."""
    new, base = (name.removeprefix(f"{comparison.row} ") for name in (comparison.new, comparison.base))
    return f"{new} against {'the baseline' if base == comparison.row else base}"


def is_of_nothing(comparison: Comparison) -> bool:
    """Return whether a comparison that does not gate has nothing to show: zero, or no value, in both arms."""
    estimates = (comparison.base_estimate, comparison.new_estimate)
    nothing = all(estimate is None or estimate.low == estimate.high == 0 for estimate in estimates)
    return not comparison.gating and nothing and comparison.effect in (None, 0) and comparison.verdict not in CHANGED


def effect_texts(comparison: Comparison) -> tuple[str, str]:
    """Return a change and its interval: ``('×1.31', '×1.25 to ×1.38')``; a dash and nothing without data."""
    effect = effect_of(comparison)
    if effect is None:
        return "–", ""
    return words.change_text(effect, effect.value), words.change_interval_text(effect)


def is_marked(comparison: Comparison) -> bool:
    """Return whether a change is not the one between the medians of its arms."""
    return is_apart(effect_of(comparison), comparison.base_estimate, comparison.new_estimate)


def estimate_text(comparison: Comparison, estimate: Estimate | None) -> str:
    """Return an arm's median with its unit."""
    return "–" if estimate is None else words.value_text(find_metric(comparison.metric), estimate.median)


def trials_text(comparison: Comparison) -> str:
    """Return how many trials the arms have, ``'7'`` in both, or ``'7, 5'``; of sessions ``'14, 1 sessions'``."""
    counts = [estimate.trials if estimate else 0 for estimate in (comparison.base_estimate, comparison.new_estimate)]
    text = ", ".join(f"{count:,}" for count in dict.fromkeys(counts))
    return f"{text} session{'' if set(counts) == {1} else 's'}" if comparison.unit is Unit.SESSION else text


def p_text(p: float | None) -> str:
    """Return a p-value with two digits: ``'0.031'``, ``'<0.001'``."""
    if p is None:
        return "–"
    return f"<{LEAST_P}" if p < LEAST_P else f"{p:.2g}"


def verdict_text(comparison: Comparison) -> str:
    """Return a verdict, and what is missing: ``'inconclusive, +2 sessions of new'``, ``'no data in new'``."""
    if comparison.verdict is Verdict.INCONCLUSIVE and comparison.more_trials is not None:
        more, what = comparison.more_trials, UNIT_WORDS[comparison.unit]
        arm = " of new" if adds_to_new_alone(comparison.unit, comparison.base_estimate) else ""
        return f"inconclusive, +{words.count_text(more)} {what}{'s' if more > 1 else ''}{arm}"
    if comparison.verdict is Verdict.NO_DATA:
        return missing_text(comparison)
    return comparison.verdict.replace("-", " ")


def adds_to_new_alone(unit: Unit, base: Estimate | None) -> bool:
    """Return whether what would decide are further sessions of the new arm alone, and not of each arm."""
    return unit is Unit.SESSION and base is not None and adds_new_alone(base.trials)


def missing_text(comparison: Comparison) -> str:
    """Return what a comparison without data is missing."""
    missing = [
        name
        for name, estimate in (("base", comparison.base_estimate), ("new", comparison.new_estimate))
        if estimate is None
    ]
    if missing:
        return f"no data in {join_words(missing, 'or')}"
    return "no block with both" if comparison.paired else "no value above 0"


def name_text(comparison: Comparison) -> str:
    """Return the metric of a comparison in words."""
    return words.name_text(find_metric(comparison.metric))


def sentence(comparisons: Sequence[Comparison]) -> str:
    """Return a summary of the comparisons: of those that gate where any do, else of all."""
    if not comparisons:
        return "Nothing was compared."
    gating = [comparison for comparison in comparisons if comparison.gating]
    summarised = gating or list(comparisons)
    counts = Counter(item.verdict for item in summarised)
    regressed = [item for item in order_comparisons(summarised) if item.verdict is Verdict.REGRESSED]
    what = (
        plural(len(summarised), "comparison that gates", "comparisons that gate")
        if gating
        else f"{len(summarised):,} explored"
    )
    begin = f"{len(regressed) or 'None'} of {what} regressed"
    if regressed:
        several, constants = has_several_arms(comparisons), shared_settings({item.row for item in comparisons})
        shown = [
            f"{name_text(item)} of {row_name(item, several=several, constants=constants)}, {effect_texts(item)[0]}"
            for item in regressed[:NAMED_MAX]
        ]
        more = [f"{len(regressed) - NAMED_MAX:,} more"] if regressed[NAMED_MAX:] else []
        begin += f" ({'; '.join(shown + more)})"
    rest = [
        f"{counts[verdict]:,} {'without data' if verdict is Verdict.NO_DATA else verdict}"
        for verdict in (Verdict.IMPROVED, Verdict.INCONCLUSIVE, Verdict.NO_DATA, Verdict.EQUIVALENT)
        if counts[verdict]
    ]
    text = f"{begin}; {join_words(rest)}." if rest else f"{begin}."
    explored = (
        Counter(comparison.verdict for comparison in comparisons if not comparison.gating) if gating else Counter()
    )
    finds = [f"{explored[verdict]:,} {verdict}" for verdict in CHANGED if explored[verdict]]
    return f"{text} Of {sum(explored.values()):,} others explored, {join_words(finds)}." if finds else text


def method_text(comparisons: Sequence[Comparison]) -> str:
    """Return the number of tests, their correction, and what was compared."""
    tested = [comparison for comparison in comparisons if comparison.p is not None]
    gating = sum(test.gating for test in tested)
    parts = []
    if gating:
        parts.append(f"{gating:,} that gate, corrected by Holm")
    if len(tested) > gating:
        parts.append(f"{len(tested) - gating:,} explored, corrected by Benjamini-Hochberg")
    if not tested:
        held = any(comparison.held_back is not None for comparison in comparisons)
        return f"No test was made: {'all comparisons are inconclusive' if held else 'no comparison has data'}."
    units = Counter(test.unit for test in tested)
    (one, *others) = (unit for unit in Unit if units[unit])
    how = METHODS[one][0]
    if others:
        how = ", ".join(f"{METHODS[unit][1]} in {units[unit]:,}" for unit in (one, *others))
    how += sessions_text(tested)
    return f"{plural(len(tested), 'test')}: {'; '.join(parts)} (level {number_text(ALPHA)}); {how}."


def head_text(comparisons: Sequence[Comparison], shown: Sequence[Comparison]) -> str:
    """Return which arms are compared, what all rows that are shown have in common, and how they were tested."""
    arms = arms_text(comparisons)
    return " ".join(filter(None, [f"{arms}." if arms else "", constants_text(shown), method_text(comparisons)]))


def arms_text(comparisons: Sequence[Comparison]) -> str:
    """Return which arms are compared: ``'new against base'``; ``''`` where comparisons have different arms."""
    arms = {(comparison.base, comparison.new) for comparison in comparisons}
    return " against ".join(reversed(arms.pop())) if len(arms) == 1 else ""
