# SPDX-License-Identifier: MIT
"""Carry out every scenario and every world with captures, and write the table of docs/attribution.md between its marks.

``python docs/generate/captures.py``; some twenty minutes on two cores. Ends with 1 when packets gave another name.
"""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "attribution.md"
BEGIN, END = "<!-- captures: begin -->\n", "<!-- captures: end -->\n"
HEAD = ("run", "cause by counters", "attempts", "at the client", "at the server", "at both")
NOTHING = ("none", "unknown", "stalled", "listener_closed")  # of which no packet says anything
ENDS = ("client", "server", "both")
Result = dict[str, Any]


def main() -> None:
    """Carry them out, and write the table."""
    runs, worlds = carry_out(), carry_out("--worlds")
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}{table(runs)}\n{world_sentence(worlds)}{END}{tail}")
    wrong = [result for result in (*runs, *worlds) if result["wrong"] or result["failed"]]
    sys.stderr.writelines(
        f"{result['name']} ({result['end']}): {'; '.join([*result['wrong'], result['failed']])}\n" for result in wrong
    )
    sys.exit(bool(wrong))


def carry_out(*options: str) -> list[Result]:
    """Return the results of all runs, or of all worlds."""
    command = [sys.executable, str(REPOSITORY / "tests" / "captured" / "run.py"), "--json", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def table(results: list[Result]) -> str:
    """Return the table of the runs, IPv4 and IPv6 in one row, and a sentence that sums it up."""
    counts: dict[tuple[str, str], dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for result in results:
        name = result["name"].removesuffix(" 6").removesuffix(" 4")
        for known, told, count in result["causes"]:
            if known not in NOTHING:
                counts[name, known][result["end"]][told] += count
    rows = [row(name, known, by_end) for (name, known), by_end in counts.items()]
    wrong = sum(bool(result["wrong"]) for result in results)
    made = {result["name"] for result in results if result["end"]}
    joined = sum(result["joined"] for result in results if result["end"] != "both")
    said = (
        f"{len(made)} runs, {joined:,} attempts that are in a capture: in {wrong} runs packets gave another name than "
        "counters. The columns have how many attempts of a cause packets named, by captures at one end or both; all "
        "others are unknown. On the loopback there is one capture, which is at the client; –: the 4-tuple is another "
        "there, for a router translates it, or no packet came."
    )
    lines = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    return "\n".join([said, "", *lines, *rows]) + "\n"


def row(name: str, known: str, by_end: dict[str, Counter[str]]) -> str:
    """Return the row of one cause of a run."""
    attempts = max(sum(by_end[end].values()) for end in by_end)
    cells = [str(by_end[end][known]) if end in by_end else "–" for end in ENDS]
    return "| " + " | ".join((name, f"`{known}`", f"{attempts:,}", *cells)) + " |"


def world_sentence(results: list[Result]) -> str:
    """Return what came of the worlds, in a sentence."""
    made = [result for result in results if result["end"]]
    named, unknown = (
        sum(count for result in made for _, told, count in result["causes"] if told == name)
        for name in ("named", "unknown")
    )
    wrong, failed = (sum(bool(result[key]) for result in results) for key in ("wrong", "failed"))
    return (
        f"Of the worlds below, captured in the same way, {len({result['name'] for result in made})} have "
        f"{named + unknown:,} attempts to explain, counted at each end and at both: {named:,} were named by packets, "
        f"and in {wrong} worlds at least one had a wrong name. Not carried out: {failed}.\n"
    )


if __name__ == "__main__":
    main()
