# SPDX-License-Identifier: MIT
"""The demo: the article's case in four storms."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stress.analysis.summary import Findings, analyse
from stress.model.plan import Plan
from stress.storm.scenario import scenario
from stress.storm.trial import Notify
from stress.store import folder
from stress.suite import process
from stress.view.panels import panels

FIGURE = "demo.png"
TITLE = "The same storm, four times: what leaked sockets do to connect()"

# Scenario, and the heading of its panel.
CASES = (
    ("clean", "no mine: the server closes every connection"),
    ("closewait", "mines: sockets leaked in CLOSE_WAIT"),
    ("challenge-limit", "mines, and few challenge ACKs a second"),
    ("rst-dropped", "mines, and the client's RST is dropped"),
)


@dataclass(frozen=True)
class Panel:
    """One storm of the demo: its letter, its heading, its run folder, and what was found."""

    letter: str
    heading: str
    path: Path
    findings: Findings


def plans(seed: int) -> Iterator[tuple[str, str, Plan]]:
    """Yield (letter, heading, plan) of each storm; all have the same seed, so the same mines and the same order."""
    for letter, (name, heading) in zip("abcd", CASES, strict=True):
        plan = scenario(name).plan
        yield letter, heading, Plan(**{field: getattr(plan, field) for field in Plan.__struct_fields__} | {"seed": seed})


def run(results: Path, seed: int, notify: Notify) -> tuple[list[Panel], Path]:
    """Run the four storms, each in a fresh process and namespace; return the panels and the figure's path.

    The run folders and the figure lie in a new folder under ``results``.

    Raises:
        UsageError, LabError: as the storms do.
    """
    home = results / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-demo"
    folder.prepare(home)
    found = []
    for letter, heading, plan in plans(seed):
        path = process.run(plan, home, lambda stage, letter=letter: notify(f"({letter}) of a to d: {stage}"))
        found.append(Panel(letter, heading, path, analyse(folder.read(path)[0])))
    notify("drawing the figure")
    figure = home / FIGURE
    panels([(panel.heading, panel.findings) for panel in found], TITLE, figure)
    return found, figure
