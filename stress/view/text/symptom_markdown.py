# SPDX-License-Identifier: MIT
"""The symptoms for documents: the table of what may be behind each, and a page with all explanations."""

import re
from collections.abc import Collection, Iterator

from stress.analysis.symptoms.answer import condition_text, kernels_text
from stress.analysis.symptoms.seen import SYMPTOMS
from stress.analysis.symptoms.table import EXPLANATIONS, explanations_of
from stress.model.symptom import Explanation, Side, Symptom

CATALOGUE, PAGE = "catalogue.md", "symptoms.md"


def symptom_table(scenarios: Collection[str], folder: str, here: str) -> str:
    """Return what a person sees and what it may be, as a Markdown table with links.

    Args:
        scenarios: names of those that exist; an explanation without one leads to the page of all explanations.
        folder: where the documents are, such as ``docs/``.
        here: the document that the table is for.
    """
    lines = ["| you see | it may be |", "| --- | --- |"]
    for symptom in SYMPTOMS:
        explanations = explanations_of(symptom)
        conditions = [short_condition(one, symptom) for one in explanations]
        shared = conditions[0] if conditions[1:] and len(set(conditions)) == 1 else ""
        parts = [
            f"[{one.label}]({explanation_target(one, scenarios, folder, here)}){'' if shared else condition}"
            for one, condition in zip(explanations, conditions, strict=True)
        ]
        lines.append(f"| {symptom.title}{shared} | {'; '.join(parts)} |")
    return "\n".join(lines) + "\n"


def explanation_target(explanation: Explanation, scenarios: Collection[str], folder: str, here: str) -> str:
    """Return where an explanation is shown: the section of its first scenario that exists, or its own."""
    shown = next((name for name in explanation.scenarios if name in scenarios), None)
    if here == PAGE or shown is None:
        return f"{'' if here == PAGE else folder + PAGE}#{anchor(explanation.label)}"
    return f"{'' if here == CATALOGUE else folder + CATALOGUE}#{shown}"


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


def symptom_sections(scenarios: Collection[str]) -> str:
    """Return one section per explanation: what happens, how it shows, what tells it from others, commands."""
    return "\n".join("\n".join(section_lines(one, scenarios)) for one in EXPLANATIONS)


def section_lines(explanation: Explanation, scenarios: Collection[str]) -> Iterator[str]:
    """Yield the lines of a section."""
    side, moves = explanation.mark
    yield from (f"## {explanation.label}", "", f"{sentence(explanation.what)} First look, on the {side}: {moves}.", "")
    for sight in explanation.sights:
        measured = f"measured: {sight.figure}" if sight.figure else ""
        seen = "" if sight.errnos else sight.symptom.title  # which errors it may be is part of the condition
        details = "; ".join(filter(None, [condition_text(sight), measured]))
        yield f"- seen as: {': '.join(filter(None, [seen, details]))}"
    yield f"- told by: {explanation.told}"
    if explanation.causes:
        yield f"- named: {', '.join(f'`{cause}`' for cause in explanation.causes)} ([rules](attribution.md#rules))"
    shown = [f"[{name}]({CATALOGUE}#{name})" for name in explanation.scenarios if name in scenarios]
    if shown:
        yield f"- shown by: {', '.join(shown)}"
    yield from ("", "```")
    for command in explanation.commands:
        typed = f"{command.side:<{len(Side.CLIENT)}} {'#' if command.is_for_root else '$'} {command.line}"
        yield f"{typed}    {command.look}" if command.look else typed
    yield from ("```", "")


def sentence(text: str) -> str:
    """Return a text as a sentence; the name of a setting keeps its small letters."""
    begins_with_name = "." in text.split(maxsplit=1)[0]
    return f"{text if begins_with_name else text[0].upper() + text[1:]}."


def anchor(heading: str) -> str:
    """Return what a heading is called in links, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
