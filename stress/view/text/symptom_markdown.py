# SPDX-License-Identifier: MIT
"""The table of symptoms for documents."""

from collections.abc import Collection

from stress.analysis.symptoms.answer import kernels_text
from stress.analysis.symptoms.seen import SYMPTOMS
from stress.analysis.symptoms.table import explanations_of
from stress.model.symptom import Explanation, Symptom


def symptom_table(scenarios: Collection[str], page: str) -> str:
    """Return what a person sees and what it may be, as a Markdown table with a link to each scenario.

    Args:
        scenarios: names of those that exist; others get no link.
        page: where their sections are, such as ``docs/catalogue.md``, or an empty text on that page itself.
    """
    lines = ["| you see | it may be |", "| --- | --- |"]
    for symptom in SYMPTOMS:
        explanations = explanations_of(symptom)
        conditions = [short_condition(one, symptom) for one in explanations]
        shared = conditions[0] if conditions[1:] and len(set(conditions)) == 1 else ""
        parts = [
            explanation_link(one, scenarios, page) + ("" if shared else condition)
            for one, condition in zip(explanations, conditions, strict=True)
        ]
        lines.append(f"| {symptom.title}{shared} | {'; '.join(parts)} |")
    return "\n".join(lines) + "\n"


def short_condition(explanation: Explanation, symptom: Symptom) -> str:
    """Return the kernels and the setting that all sights of an explanation need to show as a symptom, in brackets."""
    conditions = set()
    for sight in explanation.sights:
        if sight.symptom == symptom:
            parts = [kernels_text(sight)]
            if sight.setting is not None:
                parts.append(f"{sight.setting.name.rpartition('.')[2]}={sight.setting.values[0]}")
            conditions.add(", ".join(filter(None, parts)))
    (only,) = conditions if len(conditions) == 1 else [""]
    return f" ({only})" if only else ""


def explanation_link(explanation: Explanation, scenarios: Collection[str], page: str) -> str:
    """Return the label of an explanation, with a link to the first of its scenarios that exists."""
    shown = next((name for name in explanation.scenarios if name in scenarios), None)
    return f"[{explanation.label}]({page}#{shown})" if shown else explanation.label
