# SPDX-License-Identifier: MIT
"""The noise of a machine, and what can be seen despite it, for a terminal."""

import math
from collections.abc import Callable

from rich import box
from rich.table import Table

from stress.analysis.comparison.verdict import ALPHA
from stress.analysis.metric import find_metric
from stress.analysis.statistics.power import detectable_effect, least_trials, trials_needed
from stress.model.calibration import Calibration, Noise
from stress.model.text import join_words, number_text, plural
from stress.view.text.metric_wording import count_text, name_text, value_text
from stress.view.text.whole_table import WholeTable

CHANGES = (0.05, 0.10, 0.20)
TESTS = (1, 5, 40)  # that gate together


def make_table(*columns: str) -> Table:
    """Return an empty table whose first two columns are text and whose others are numbers."""
    table = WholeTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < 2 else "right")
    return table


def noise_rows(calibration: Calibration, add: Callable[[str, str, Noise], None], table: Table) -> None:
    """Add one row per scenario and metric, and a separator after each scenario."""
    for scenario, by_metric in calibration.scenarios.items():
        for place, (name, noise) in enumerate(by_metric.items()):
            add(scenario if place == 0 else "", name, noise)
        table.add_section()


def noise_table(calibration: Calibration) -> Table:
    """Return the noise of each metric: median, noise floor, and the change that this many trials detect."""
    table = make_table(
        "scenario", "metric", "median", "noise floor", f"seen with {plural(calibration.trials, 'trial')} (80 % power)"
    )

    def add(scenario: str, name: str, noise: Noise) -> None:
        metric = find_metric(name)
        seen = detectable_effect(noise.spread, calibration.trials)
        if noise.kind == "ratio":
            texts = (f"±{100 * noise.floor:.1f} %", f"±{100 * math.expm1(seen):.1f} %")
        else:
            texts = (f"±{count_text(noise.floor)}", f"±{count_text(seen)}")
        table.add_row(scenario, name_text(metric), value_text(metric, noise.median), *texts)

    noise_rows(calibration, add, table)
    return table


def sessions_text(calibration: Calibration) -> str:
    """Return how far sessions differ, and how these were made; ``""`` where one session was measured."""
    texts = []
    for scenario, noises in calibration.sessions.items():
        widest = max(noises, key=lambda name: noises[name].sd)
        noise = noises[widest]
        sessions = noise.df + 1
        texts.append(
            f"{scenario}: a {name_text(find_metric(widest))} of one session differs by a factor of "
            f"{math.exp(noise.sd):.2f} as a rule (standard deviation of {sessions} sessions of {noise.trials} trials)"
        )
    if not texts:
        return ""
    between = "one directly after the other"
    if calibration.pause_s:
        between = f"with {calibration.pause_s / 60:.3g} minutes between two"
    near = f"The sessions were made {between}: sessions of other days may differ by more."
    return "\n".join([*(f"{text}." for text in texts), near])


def least_text() -> str:
    """Return how many blocks can decide anything, by how many tests gate together, however small the noise is."""
    needed = [(tests, least_trials(ALPHA / tests, paired=True)) for tests in TESTS]
    (_, one), *others = needed
    rest = join_words([f"{blocks} for {tests:,}" for tests, blocks in others])
    return (
        f"However small the noise is: {one} blocks or more can reach {number_text(ALPHA)} for one test, {rest} that "
        "gate together (Holm)."
    )


def power_table(calibration: Calibration) -> Table:
    """Return the trials per arm that detect a change, for each metric that is compared as a ratio."""
    table = make_table("scenario", "metric", *(f"a change of {100 * change:.0f} %" for change in CHANGES))

    def add(scenario: str, name: str, noise: Noise) -> None:
        if noise.kind == "ratio":
            needed = [trials_needed(noise.spread, math.log1p(change)) for change in CHANGES]
            table.add_row(
                scenario,
                name_text(find_metric(name)),
                *("–" if count is None else plural(count, "trial") for count in needed),
            )

    noise_rows(calibration, add, table)
    return table
