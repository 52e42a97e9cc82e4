# SPDX-License-Identifier: MIT
"""Write the table of symptoms into README.md and docs/catalogue.md, between its markers."""

import sys
from pathlib import Path

from stress.storm.catalogue import SCENARIOS
from stress.view.text.symptom_markdown import symptom_table

REPOSITORY = Path(__file__).parents[2]
PAGES = {"README.md": "docs/catalogue.md", "docs/catalogue.md": ""}  # and where the scenarios' sections are from there
BEGIN, END = "<!-- symptoms:begin -->\n", "<!-- symptoms:end -->\n"


def page(name: str) -> str:
    """Return a page with the table as it is now."""
    head, _, rest = (REPOSITORY / name).read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{symptom_table(SCENARIOS, PAGES[name])}{END}{tail}"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else REPOSITORY
    for name in PAGES:
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text(page(name))
