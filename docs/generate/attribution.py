# SPDX-License-Identifier: MIT
"""Write the table of rules into docs/attribution.md, between its markers."""

import sys
from pathlib import Path

from stress.analysis.attribution.rules.table import RULES
from stress.view.text.rule_text import sentence_form

PAGE = Path(__file__).parents[1] / "attribution.md"
BEGIN, END = "<!-- rules: begin -->\n", "<!-- rules: end -->\n"


def table() -> str:
    """Return the rules as a table, in their order."""
    lines = ["| rule | grade | needs | what must hold | the sentence |", "| --- | --- | --- | --- | --- |"]
    for rule in RULES:
        cells = (f"`{rule.name}`", rule.grade, rule.needs, rule.equation, sentence_form(rule))
        lines.append("| " + " | ".join(cell.replace("|", "&#124;") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return the page with the table as it is now."""
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{table()}{END}{tail}"


if __name__ == "__main__":
    Path(sys.argv[1] if sys.argv[1:] else PAGE).write_text(page())
