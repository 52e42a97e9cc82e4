# SPDX-License-Identifier: MIT
"""The demo: the article's case in four storms."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from stress.analysis.attribution.findings import Findings
from stress.analysis.attribution.summary import analyse
from stress.model.progress import ProgressCallback
from stress.run import process
from stress.store import run_folder
from stress.storm.catalogue import find_scenario
from stress.view.figure.run.panels import panels_figure
from stress.view.figure.save import save_figure

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
    """One storm of the demo: its letter, its heading, its run folder, and its findings."""

    letter: str
    heading: str
    path: Path
    findings: Findings


def run(results: Path, seed: int, notify: ProgressCallback) -> tuple[list[Panel], Path]:
    """Run the four storms, each in a fresh process and namespace; return the panels and the figure's path.

    All four have the same seed, so the same mines and the same order of ports. The run folders and the figure lie
    in a new folder under ``results``.

    Raises:
        UsageError, LabError: as the storms do.
    """
    home = results / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-demo"
    run_folder.check_writable(home)
    shown = []
    for letter, (name, heading) in zip("abcd", CASES, strict=True):
        plan = msgspec.structs.replace(find_scenario(name).plan, seed=seed)
        path = process.run(plan, home, partial(announce_stage, notify, letter))
        shown.append(Panel(letter, heading, path, analyse(run_folder.read(path)[0])))
    notify("drawing the figure")
    figure = home / FIGURE
    save_figure(panels_figure([(panel.heading, panel.findings) for panel in shown], TITLE), figure)
    return shown, figure


def announce_stage(notify: ProgressCallback, letter: str, stage: str) -> None:
    """Report a stage with the letter of its storm."""
    notify(f"storm ({letter}) of (a) to ({'abcd'[len(CASES) - 1]}): {stage}")
