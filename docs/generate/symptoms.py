# SPDX-License-Identifier: MIT
"""Write the table of symptoms into README.md and docs/catalogue.md, between its markers, and docs/symptoms.md."""

import sys
from pathlib import Path

from stress.storm.catalogue import SCENARIOS
from stress.view.text.symptom_markdown import CATALOGUE, PAGE, symptom_sections, symptom_table

REPOSITORY = Path(__file__).parents[2]
HEAD = Path(__file__).with_name("symptoms_head.md")
BEGIN, END = "<!-- symptoms:begin -->\n", "<!-- symptoms:end -->\n"


def pages() -> dict[str, str]:
    """Return the documents that have symptoms, by name, as they are now."""
    sections = f"{HEAD.read_text()}{symptom_table(SCENARIOS, '', PAGE)}\n{symptom_sections(SCENARIOS)}"
    return {
        "README.md": with_table("README.md", symptom_table(SCENARIOS, "docs/", "README.md")),
        f"docs/{CATALOGUE}": with_table(f"docs/{CATALOGUE}", symptom_table(SCENARIOS, "", CATALOGUE)),
        f"docs/{PAGE}": f"{sections.rstrip()}\n",
    }


def with_table(name: str, table: str) -> str:
    """Return a document with a table between its markers."""
    head, _, rest = (REPOSITORY / name).read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{table}{END}{tail}"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else REPOSITORY
    (target / "docs").mkdir(exist_ok=True)
    for name, text in pages().items():
        (target / name).write_text(text)
