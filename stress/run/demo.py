# SPDX-License-Identifier: MIT
"""The demo: the article's case in five storms."""

import string
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from stress.analysis.attribution.findings import Findings
from stress.analysis.attribution.summary import analyse
from stress.model.acts import choose_acts
from stress.model.errors import NotApplicableError
from stress.model.progress import ProgressCallback
from stress.run import process
from stress.run import time_limit as _loaded_early  # noqa: F401  # an interrupt while it loads would be a crash
from stress.store import run_folder
from stress.storm.catalogue import find_scenario
from stress.storm.scenarios.collisions import ANSWERED
from stress.view.figure.run.panels import Case, panels_figure
from stress.view.figure.save import save_figure

FIGURE = "demo.png"
TITLE = "The same storm, {count} times: what leaked sockets do to connect()"
IN_WORDS = ("no", "one", "two", "three", "four", "five")
ACTS = {"one-second": [ANSWERED]}  # of scenarios that have several
CAPTURED = {"one-second": "the RST is the firewall's, not the client's"}  # whose packets are shown

# Scenario, what connect() does there, and how that is made.
CASES = (
    ("clean", "at once", "no mine: the server closes every connection"),
    ("closewait", "two jiffies", "mines: sockets leaked in CLOSE_WAIT"),
    (
        "one-second",
        "one second, as before Linux 5.6",
        "mines, and a firewall answers the challenge ACK in the client's place",
    ),
    ("challenge-limit", "two seconds and more", "mines, and few challenge ACKs per second"),
    ("rst-dropped", "ETIMEDOUT", "mines, and a firewall drops the client's RST"),
)


@dataclass(frozen=True)
class Panel:
    """One storm of the demo: its letter, its run folder, and its findings."""

    letter: str
    path: Path
    findings: Findings


@dataclass
class Demo:
    """What the demo has made.

    Attributes:
        panels: its storms.
        figure: the path of its figure.
        missing: why a storm could not be made here, by its scenario.
    """

    figure: Path
    panels: list[Panel] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def run(results: Path, seed: int, notify: ProgressCallback, watch: ProgressCallback | None = None) -> Demo:
    """Run the storms, each in a fresh process and namespace, and draw them on one sheet.

    All have the same seed, so the same mines and the same order of ports. The run folders and the figure lie in a new
    folder under ``results``. A storm for which something is missing here, such as nft, is left out.

    Raises:
        UsageError, LabError: as the storms do.
    """
    home = results / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-demo"
    run_folder.check_writable(home)
    demo = Demo(home / FIGURE)
    cases = []
    for letter, (name, title, how) in zip(string.ascii_lowercase, CASES, strict=False):
        plan = choose_acts(find_scenario(name).plan, ACTS.get(name, ()))
        plan = msgspec.structs.replace(plan, seed=seed, capture=name in CAPTURED)
        try:
            path = process.run(plan, home, partial(announce_stage, notify, letter), watch=watch)
        except NotApplicableError as error:
            demo.missing[name] = str(error)
            continue
        demo.panels.append(Panel(letter, path, analyse_run(path)))
        cases.append(Case(letter, title, how, demo.panels[-1].findings, CAPTURED.get(name, "")))
    notify("drawing the figure")
    save_figure(panels_figure(cases, TITLE.format(count=IN_WORDS[len(cases)])), demo.figure)
    return demo


def analyse_run(path: Path) -> Findings:
    """Return the findings of a stored run, with its captured packets."""
    observed, summary = run_folder.read(path)
    return analyse(observed, summary.evidence)


def announce_stage(notify: ProgressCallback, letter: str, stage: str) -> None:
    """Report a stage with the letter of its storm."""
    notify(f"storm ({letter}) of (a) to ({string.ascii_lowercase[len(CASES) - 1]}): {stage}")
