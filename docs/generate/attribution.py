# SPDX-License-Identifier: MIT
"""Write the tables of rules into docs/attribution.md, between their markers."""

import sys
from collections.abc import Sequence
from pathlib import Path

from stress.analysis.attribution.packets.table import PACKET_RULES
from stress.analysis.attribution.rules.rule import RuleText
from stress.analysis.attribution.rules.table import RULES
from stress.view.text.rule_text import sentence_form

PAGE = Path(__file__).parents[1] / "attribution.md"
TABLES: dict[str, Sequence[RuleText]] = {"rules": RULES, "packet rules": PACKET_RULES}


def table(rules: Sequence[RuleText]) -> str:
    """Return rules as a table, in their order."""
    lines = ["| rule | grade | needs | what must hold | the sentence |", "| --- | --- | --- | --- | --- |"]
    for rule in rules:
        cells = (f"`{rule.name}`", rule.grade, rule.needs, rule.equation, sentence_form(rule))
        lines.append("| " + " | ".join(cell.replace("|", "&#124;") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return the page with the tables as they are now."""
    text = PAGE.read_text()
    for name, rules in TABLES.items():
        begin, end = (f"<!-- {name}: {which} -->\n" for which in ("begin", "end"))
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(end)
        text = f"{head}{begin}{table(rules)}{end}{tail}"
    return text


if __name__ == "__main__":
    Path(sys.argv[1] if sys.argv[1:] else PAGE).write_text(page())
