# SPDX-License-Identifier: MIT
"""The rules of a cause as text for a terminal."""

import re
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stress.analysis.attribution.rules.rule import RuleText
from stress.model.outcome import MEANINGS, Cause
from stress.view.text.count_wording import name_in_words

FIGURE = re.compile(r"\{\w+[^}]*\}")
RULES_PAGE = "docs/attribution.md"
SCENARIOS_PAGE = "docs/catalogue.md"


def sentence_form(rule: RuleText) -> str:
    """Return a rule's sentence with dots in place of the figures of a run: ``the rule dropped … RSTs``."""
    return FIGURE.sub("…", rule.sentence)


def cause_report(cause: Cause, rules: Sequence[RuleText], scenarios: Sequence[str]) -> RenderableType:
    """Return what a cause is, each rule that claims it, and where to see it.

    Args:
        cause: the cause.
        rules: those that claim it, in the order in which they are tried.
        scenarios: names of those that make it.
    """
    parts: list[RenderableType] = [Text.assemble((name_in_words(cause), "bold"), f": {MEANINGS[cause]}")]
    parts += [part for rule in rules for part in (Text(), Text(f"rule {rule.name}", style="bold"), rule_table(rule))]
    parts.append(Text())
    if not rules:
        parts.append(Text(f"No rule claims it; all rules are in {RULES_PAGE}"))
    else:
        parts.append(Text(f"The first rule that holds names the cause; their order is that of {RULES_PAGE}"))
    parts += [Text(f"to see it: connstorm run {scenario} ({SCENARIOS_PAGE}#{scenario})") for scenario in scenarios]
    return Group(*parts)


def rule_table(rule: RuleText) -> Table:
    """Return the grade of a rule, what it needs, what must hold exactly, and what a report says."""
    table = Table.grid(padding=(0, 2))
    lines = {"grade": rule.grade, "needs": rule.needs, "must hold": rule.equation, "then says": sentence_form(rule)}
    if rule.rests_on:
        lines["books"] = f"claims nothing where they do not balance in {', '.join(rule.rests_on)}"
    for name, text in lines.items():
        table.add_row(Text(f"  {name}"), Text(text))
    return table
