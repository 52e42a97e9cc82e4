# SPDX-License-Identifier: MIT
"""Write docs/layers.md, docs/layers.png and docs/layers.svg from a folder of the suite layers.

``python docs/generate/layers.py results/<the suite's folder> [folder]``; docs/generate/layers_head.md, written by hand,
says how it was measured. With a second folder the files are written there.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from stress.analysis.comparison.arm_pair import pair_arms
from stress.analysis.comparison.layer_steps import LayerStep, cells_by_layer, has_layers, layer_steps
from stress.analysis.statistics.trials import CellTrials
from stress.compare.profiles import compare_profiles
from stress.model.errors import UsageError
from stress.model.layer import LAYERS
from stress.model.observation import Observation
from stress.model.text import plural
from stress.profile.difference import ActDifference
from stress.store import suite_folder
from stress.store.runs import read_suite
from stress.suite.cell_results import count_missing, read_cell_trials
from stress.view.figure.save import save_figure
from stress.view.figure.suite.suite_figure import suite_figure
from stress.view.text.busy_wording import busy_text
from stress.view.text.layer_wording import NOTHING, cost_text, layers_headline, range_text
from stress.view.text.profile_wording import signed_text
from stress.view.text.suite_caption import caption
from stress.view.text.unprofiled_wording import unprofiled_line

HERE = Path(__file__).parent
DOCS = HERE.parent
GUESTS = HERE / "layers_guests.md"  # by layers_in_guests.py
PARTS = ("connect_ns", "close_ns", "rest_ns")
FUNCTIONS_MAX = 3  # of a step, those with the largest changes
HEAD = ("layer", "on", "what it adds", "ns for an attempt", "more than below", "95 % interval", "connect()", "close()",
        "else", "functions that the profile names")  # fmt: skip
Blocks = dict[str, dict[int, Observation]]  # by cell and block


def main(path: Path, into: Path) -> None:
    manifest = suite_folder.read(path)
    cells = read_cell_trials(path, manifest)
    if not has_layers(cells):
        sys.exit(f"{path} is not a suite whose only axis is layer.")
    if count_missing(cells):
        sys.exit(f"{path} is not complete; resume it first: connstorm suite {path} --resume")
    steps = layer_steps(cells)
    runs = runs_by_block(path)
    title = "What each layer adds to connect() and close()"
    save_figure(suite_figure(cells, title, caption(manifest), busy_text(cells)), into / "layers.png", with_svg=True)
    (fingerprint, *_) = manifest.fingerprints.values()
    host = f"Linux {fingerprint.host.kernel}, {fingerprint.host.cpu}, {fingerprint.host.cpus} virtual CPUs"
    trials = f"{manifest.suite.trials} trials of each of {len(cells)} layers"
    measured = f"On {host}, {manifest.started_utc[:10]}; {trials}."
    parts = [
        (HERE / "layers_head.md").read_text().rstrip(),
        "## What was measured here",
        " ".join([measured, *headline_sentences(steps), *account_sentences(cells, runs)]),
        "![What each layer adds to the time for an attempt](layers.png)",
        "\n".join(table_lines(steps, runs)),
        *([line] if (line := unprofiled_line(cells)) else []),
        *absent_lines(cells),
        *([GUESTS.read_text().rstrip()] if GUESTS.exists() else []),
    ]
    (into / "layers.md").write_text("\n\n".join(parts) + "\n")


def runs_by_block(path: Path) -> Blocks:
    """Return the trials of a suite that are done."""
    runs: Blocks = {}
    for run in read_suite(path, "layers"):
        if run.block is not None:
            runs.setdefault(run.cell, {})[run.block] = run
    return runs


def headline_sentences(steps: Sequence[LayerStep]) -> Iterator[str]:
    """Yield what was found: the lowest layer, the sure steps, and those that are nothing."""
    yield f"{layers_headline(steps)}."
    lowest = [step for step in steps if step.layer.below == next(iter(LAYERS))]
    if lowest:
        base_ns = median(times.attempt_ns for times in lowest[0].base.typical.values())
        yield f"An attempt on the loopback takes {base_ns:,.0f} ns."
    nothing = [f"{step.layer.name} ({range_text(step)} ns)" for step in steps if not step.is_sure]
    if nothing:
        yield f"Nothing sure: {', '.join(nothing)}."


def account_sentences(cells: Sequence[CellTrials], runs: Blocks) -> Iterator[str]:
    """Yield how all attempts ended, what delayed them, and whether the books of all trials balance."""
    summaries = [run.summary for of_cell in runs.values() for run in of_cell.values()]
    outcomes, causes = Counter[str](), Counter[str]()
    for summary in summaries:
        outcomes.update({str(name): count for name, count in summary.outcomes.items() if count})
        causes.update({str(name): count for name, count in summary.causes.items() if count and name != "none"})
    ends = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in outcomes.most_common())
    whys = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in causes.most_common())
    balanced = sum(all(claim.balanced for claim in summary.books) for summary in summaries)
    yield f"Of {outcomes.total():,} attempts: {ends}; delayed or failed: {whys or 'none'}."
    yield f"The books balance in {balanced:,} of {plural(len(summaries), 'trial')}."
    if busy := sum(len(trials.busy) for trials in cells):
        yield f"The machine was busy in {plural(busy, 'trial')}."


def table_lines(steps: Sequence[LayerStep], runs: Blocks) -> Iterator[str]:
    """Yield the table of all steps."""
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{' --- |' * len(HEAD)}"
    names = {step.layer.name: step for step in steps}
    for name, step in names.items():
        columns = [
            f"**{name}**",
            step.layer.below,
            step.layer.text,
            f"{step.level.median:,.0f}",
            cost_text(step) if step.is_sure else f"*{NOTHING}*",
            range_text(step),
            *(signed_text(step.part_ns(part), ",.0f") for part in PARTS),
            profile_text(step, runs) if step.is_sure else "",
        ]
        yield f"| {' | '.join(columns)} |"


def profile_text(step: LayerStep, runs: Blocks) -> str:
    """Return the functions that the profiles name for a step; empty where there are no profiles on both sides."""
    base, new = (list(runs.get(trials.cell.name, {}).values()) for trials in (step.base, step.new))
    try:
        (pair, *_), _ = compare_profiles([pair_arms("", step.layer.below, step.layer.name, base, new)])
    except UsageError:
        return ""
    return ", ".join(named_functions(pair.acts[0])) or "none"


def named_functions(act: ActDifference) -> list[str]:
    """Return the named functions of a storm with their changes, the largest first."""
    named = [function for function in act.functions if function.named][:FUNCTIONS_MAX]
    return [f"`{function.name}` {signed_text(function.change.ns, ',.0f')}" for function in named]


def absent_lines(cells: Sequence[CellTrials]) -> list[str]:
    """Return a paragraph on the layers that could not be measured, if there are any."""
    by_layer = cells_by_layer(cells)
    lines = [
        f"- {name}: {trials.not_applicable or ', '.join(dict.fromkeys(trials.failed.values()))}"
        for name, trials in by_layer.items()
        if trials.not_applicable or trials.failed
    ]
    return ["Not measured, in all trials or some:", "\n".join(lines)] if lines else []


main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else DOCS)
