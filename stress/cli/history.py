# SPDX-License-Identifier: MIT
"""connstorm history: did it get worse? Change points over stored runs."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from stress import __version__
from stress.analysis.comparison.counter_metric import refuse_unknown_counters
from stress.analysis.history import history as analysis
from stress.analysis.history.history import History, accept_changes
from stress.analysis.metric import Metric, find_metric
from stress.cli.output import console, json_option, print_object
from stress.cli.stored import complete_stored, results_option
from stress.cli.streams import print_text
from stress.cli.verb import Verb
from stress.compare.absent_trials import absent_of_newest
from stress.compare.history_cache import HistoryCache
from stress.compare.history_object import history_object
from stress.compare.history_profiles import compare_steps
from stress.model.errors import StoreError, UsageError
from stress.store import accepted as stored
from stress.store.history_folder import copy_to_history
from stress.store.runs import read_observations
from stress.store.stored_names import find_stored
from stress.view.text.history_table import history_table
from stress.view.text.history_wording import history_headline
from stress.view.text.metric_wording import HEADLINE
from stress.view.text.step_table import step_lines

REGRESSED = 1  # exit code
FIGURE = "history.png"


@click.command(cls=Verb)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--metric", "metrics", multiple=True, help="what is looked at; repeatable")
@click.option("--cell", "cells", multiple=True, help="only this cell; repeatable")
@click.option("--testbed", "testbeds", multiple=True, help="only this kind of machine; repeatable")
@click.option(
    "--threshold",
    type=click.FloatRange(min=0),
    default=0.05,
    show_default=True,
    help="smaller steps are none, as a share of the level before",
)
@click.option(
    "--accepted", type=click.Path(path_type=Path), help="changes that are accepted  [default: DIR/accepted.toml]"
)
@click.option("--accept", "at", metavar="RUN", help="write the changes at this run into that file; needs --reason")
@click.option("--reason", help="why a change is accepted")
@click.option(
    "--add",
    "added",
    multiple=True,
    metavar="RUN",
    shell_complete=complete_stored,
    help="first copy a run or suite into DIR, without its arrays; repeatable",
)
@click.option("--figure", type=click.Path(path_type=Path), help="where the picture goes  [default: DIR/history.png]")
@click.option("--no-figure", is_flag=True, help="draw no picture, which takes most of the time")
@click.option("--gate", is_flag=True, help="exit with 1 if a confirmed regression is neither accepted nor undone")
@results_option
@json_option
def history(
    folder: Path,
    *,
    metrics: tuple[str, ...],
    cells: tuple[str, ...],
    testbeds: tuple[str, ...],
    threshold: float,
    accepted: Path | None,
    at: str | None,
    reason: str | None,
    added: tuple[str, ...],
    figure: Path | None,
    no_figure: bool,
    gate: bool,
    results: Path,
    as_json: bool,
) -> None:
    r"""Find where the runs and suites in DIR went to another level, by cell, kind of machine, plan and metric.

    A change is confirmed when two independent detectors find it, otherwise suspected. The medians of trials are what is
    looked at: logarithms of times and rates, square roots of counts. --accept lets a change stand, with a reason, in a
    file to be reviewed; detection begins anew there. Where the suites on both sides of a step have profiles, it is said
    which functions of the kernel it came from.

    \b
    Exit codes: 0 fine, 1 regression (--gate only), 2 wrong use or bad input.

    \b
    Examples:
      connstorm history results
      connstorm history results --metric body.p99 --cell closewait --gate
      connstorm history history/ --add results/20260131T120000Z-suite-smoke-1a2b3c
      connstorm history history/ --add latest:smoke
      connstorm history history/ --accept 20260131T120000Z-closewait-abc123 --reason "new kernel"
    """
    if (at is None) != (reason is None):
        raise UsageError("--accept and --reason go together: the run after the change, and why it is accepted.")
    for source in added:
        copy_to_history(find_stored(source, results), folder)
    file = accepted or folder / stored.ACCEPTED
    entries = stored.read(file)
    choice = analysis.HistoryFilter(metrics or HEADLINE, cells, testbeds)
    cache = open_cache(folder, analysis.history_metrics(choice, entries))
    runs = cache.read_rows()
    if not runs:
        raise UsageError(f"{folder} holds no run that is done; connstorm run and suite write some, --add copies them.")
    built = analysis.build_from_rows(runs, choice, entries, threshold, cache)
    shown = {track.series.metric.name for track in built.tracks}
    if unseen := [metric for metric in map(find_metric, choice.metrics) if metric.counter and metric.name not in shown]:
        refuse_unknown_counters(unseen, list(read_observations(folder, "")))
    if at is not None and reason is not None:
        accept(built, at, reason, file)
        built = analysis.build_from_rows(runs, choice, stored.read(file), threshold, cache)
    steps, absent = compare_steps(built, folder, cache.remember), absent_of_newest(folder)
    cache.save()
    for warning in built.warnings:
        print_text(f"connstorm: {warning}", err=True)
    pictures = [] if no_figure else draw_figures(built, figure or folder / FIGURE, folder, len(runs))
    if as_json:
        print_object(history_object(built, steps, folder, len(runs), pictures) | {"absent": absent})
    else:
        printer = console()
        printer.print(history_table(built))
        if steps:
            printer.print(step_lines(steps, built.tracks), soft_wrap=True)
        for line in absent:
            printer.print(f"{line}.", highlight=False, markup=False)
        if pictures:
            printer.print("\n".join(f"figure: {picture}" for picture in pictures), soft_wrap=True)
    sys.exit(REGRESSED if gate and built.open_regressions else 0)


def open_cache(folder: Path, metrics: Sequence[Metric]) -> HistoryCache:
    """Return the cache of a history.

    Raises:
        UsageError: it is no folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; give a folder of run folders and suite folders.")
    return HistoryCache(folder, metrics)


def accept(history: History, at: str, reason: str, file: Path) -> None:
    """Write entries that let the changes at a run stand, and say which."""
    entries = accept_changes(history, at, reason)
    stored.append_accepted(file, entries)
    for entry in entries:
        print_text(f"accepted in {file}: {entry.cell}, {entry.metric}, from {entry.at} on", err=True)


def draw_figures(history: History, figure: Path, folder: Path, runs: int) -> list[Path]:
    """Draw the pictures; return their paths."""
    from stress.view.figure.history.history_sheets import history_figures  # noqa: PLC0415
    from stress.view.figure.save import save_sheets  # noqa: PLC0415

    if not history.tracks:
        return []
    title = f"{folder.resolve().name}: {history_headline(history.tracks)}"
    counts = f"{len(history.tracks):,} series of {runs:,} runs"
    try:
        return save_sheets(
            history_figures(history.tracks, title, [counts, f"connstorm {__version__}"]), figure, with_svg=True
        )
    except OSError as error:
        raise StoreError(
            f"{figure} could not be written: {error.strerror}; choose another place by --figure."
        ) from error
