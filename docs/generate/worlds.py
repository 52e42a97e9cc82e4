# SPDX-License-Identifier: MIT
"""Make every world in all ways, as root and as nobody, and write the table of docs/attribution.md between its markers.

``python docs/generate/worlds.py``; some ten minutes on two cores. Ends with 1 when a name was wrong.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]

from worlds.catalogue import WORLDS  # noqa: E402  # tests are no package
from worlds.world import WAYS  # noqa: E402

PAGE = REPOSITORY / "docs" / "attribution.md"
BEGIN, END = "<!-- worlds: begin -->\n", "<!-- worlds: end -->\n"
HEAD = ("world", "truth", "named", "kernel's word", "other ways", "what stays unknown, and which fact would tell")
Result = dict[str, Any]


def main() -> None:
    """Make the worlds, and write the table."""
    users = [False, True] if os.geteuid() == 0 else [False]
    results = {(way, nobody): make_worlds(way, nobody=nobody) for way in WAYS for nobody in users}
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}{table(results)}{END}{tail}")
    wrong = [result for by_world in results.values() for result in by_world.values() if result["faults"]]
    sys.stderr.writelines(f"{result['world']} ({result['way']}): {'; '.join(result['faults'])}\n" for result in wrong)
    sys.exit(bool(wrong))


def make_worlds(way: str, *, nobody: bool) -> dict[str, Result]:
    """Return the result of each world that can be stormed in a way, by its name."""
    command = [sys.executable, REPOSITORY / "tests" / "worlds" / "run.py", "--json", "--way", way]
    done = subprocess.run([*command, *(["--nobody"] if nobody else [])], stdout=subprocess.PIPE, check=False)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    return {result["world"]: result for result in results}


def table(results: dict[tuple[str, bool], dict[str, Result]]) -> str:
    """Return the table and a sentence that sums it up."""
    by_truth = defaultdict(list)
    for name, world in WORLDS.items():
        by_truth[world.build].append(name)
    rows = [row(names, results) for names in by_truth.values()]
    made = [result for by_world in results.values() for result in by_world.values() if not result["skipped"]]
    wrong = sum(bool(result["faults"]) for result in made)
    troubled, named = (sum(result[key] for result in made) for key in ("troubled", "named"))
    said = (
        f"{len(rows)} worlds, {len(made)} storms by {', '.join(WAYS)}, as root and as nobody: {troubled:,} attempts to "
        f"explain, {named / max(troubled, 1):.0%} named, in {wrong} storms a wrong name or a wrong bound. Shares are "
        "of the attempts that did not connect at once, over IPv4 and IPv6; refused: one sentence says that nothing can "
        "be measured there. The kernel's word: the same runs, analysed with it."
    )
    lines = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    return "\n".join([said, "", *lines, *rows]) + "\n"


def row(names: list[str], results: dict[tuple[str, bool], dict[str, Result]]) -> str:
    """Return the row of a world, of both families."""
    world = WORLDS[names[0]]
    first = [results[world.ways[0], False].get(name) for name in names]
    others = []
    for (way, nobody), by_world in results.items():
        part = [by_world[name] for name in names if name in by_world]
        if part and (way, nobody) != (world.ways[0], False):
            others.append(f"{way}{' as nobody' if nobody else ''} {shares(part)}")
    made = [result for result in first if result]
    spoken = (
        shares(made, "named_by_kernel") if any(result.get("named_by_kernel") is not None for result in made) else "–"
    )
    cells = (names[0], world.truth, shares(made), spoken, ", ".join(others), open_question(made, world.fact))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def shares(results: list[Result], key: str = "named") -> str:
    """Return the share of attempts that were named, of each family, or why there is none."""
    texts = []
    for result in results:
        if result["faults"]:
            texts.append("**wrong**")
        elif result["skipped"]:
            texts.append("skipped")
        elif not result["attempts"]:
            texts.append("refused")
        elif not result["troubled"]:
            texts.append("nothing to explain")
        else:
            texts.append(f"{(result.get(key) or 0) / result['troubled']:.0%}")
    return " / ".join(dict.fromkeys(texts))


def open_question(results: list[Result], fact: str) -> str:
    """Return what stays unknown: bounds, and which fact would tell."""
    if not any(result["unknown"] for result in results):
        return ""
    bounds = [text for result in results[:1] for text in result["bounds"]]
    hints = list(dict.fromkeys(hint for result in results[:1] for hint in result["hints"]))
    return "; ".join([*bounds, *([fact] if fact else hints)])


if __name__ == "__main__":
    main()
