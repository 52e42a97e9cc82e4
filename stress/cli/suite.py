# SPDX-License-Identifier: MIT
"""connstorm suite: a matrix of scenarios, settings and trials, in one folder."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec

from stress.analysis.statistics.trials import CellTrials
from stress.cli.interrupts import catch_sigterm, interrupted_code, resume_command
from stress.cli.output import console, figure_optional, json_option, output_option, print_object
from stress.cli.plan_output import print_plan
from stress.cli.shipped import HERE, complete_suite, copy_suite, print_shipped
from stress.cli.streams import print_text
from stress.cli.verb import Verb
from stress.model.errors import LabError, NoRunsError, UsageError
from stress.model.extra import require_package
from stress.model.suite import Suite
from stress.store import suite_folder
from stress.store.stored_names import find_stored
from stress.store.suite_folder import Manifest
from stress.suite import estimate, manifest, matrix, runner
from stress.suite.cell_results import cell_object, count_missing, rank_cells, read_cell_trials
from stress.suite.config import load as suite_file
from stress.suite.executor.base import Executor
from stress.suite.executor.registry import make_executor
from stress.suite.kernels import add_kernel_axis
from stress.suite.shipped import find_suite_file
from stress.view.text.arm_lines import arm_lines
from stress.view.text.busy_wording import busy_text
from stress.view.text.suite_caption import caption
from stress.view.text.suite_progress import SuiteProgress
from stress.view.text.suite_table import suite_table

TRIALS_MAX = 1000
FIGURE = "suite.png"  # in the folder of a suite


@click.command(cls=Verb)
@click.argument(
    "source",
    metavar="[FILE.toml|NAME|FOLDER]",
    required=False,
    type=click.Path(path_type=Path),
    shell_complete=complete_suite,
)
@click.option("--list", "is_list", is_flag=True, help="list the suites that come with connstorm; run nothing")
@click.option(
    "--copy",
    is_flag=False,
    flag_value=HERE,
    metavar="[FILE]",
    help="write the file of the suite NAME, to be changed; run nothing",
)
@click.option("--dry-run", is_flag=True, help="print the cells, their order and what they take; run nothing")
@click.option("--resume", is_flag=True, help="go on with FOLDER, or with the newest folder of FILE's suite")
@click.option("--retry-failed", is_flag=True, help="with --resume: run failed trials again")
@click.option("--trials", type=click.IntRange(1, TRIALS_MAX), help="of each cell, in place of the file's number")
@click.option(
    "--kernel", "kernels", multiple=True, help="run every cell on this kernel; repeatable: host, deb:bookworm"
)
@click.option(
    "--executor",
    "engine",
    default="local",
    metavar="NAME[:WHERE]",
    show_default=True,
    help="where trials run: local, ssh, dask:SCHEDULER and others, see docs/fleet.md",
)
@click.option(
    "--hosts", default="", show_default=False, metavar="A,B", help="of --executor ssh or dask; each runs every cell"
)
@click.option(
    "--remote-connstorm", default="connstorm", show_default=True, help="the command on hosts of ssh and on peers"
)
@click.option(
    "--host", is_flag=True, help="this host's own network stack; its settings are changed and restored (root)"
)
@output_option
@json_option
def suite(
    source: Path | None,
    *,
    is_list: bool,
    copy: str | None,
    trials: int | None,
    kernels: tuple[str, ...],
    engine: str,
    hosts: str,
    remote_connstorm: str,
    output: Path,
    dry_run: bool,
    resume: bool,
    retry_failed: bool,
    host: bool,
    as_json: bool,
) -> None:
    r"""Run every trial of a suite, each in a fresh process and namespace; write a folder of run folders.

    Every trial that has ended is on disk at once. After a crash, Ctrl-C or kill -9, --resume runs what is missing.

    \b
    Examples:
      connstorm suite --list
      connstorm suite smoke
      connstorm suite smoke --copy mine.toml
      connstorm suite sysctls --dry-run
      connstorm suite sysctls --resume
      connstorm suite results/20260101T000000Z-suite-sysctls-1a2b3c --resume --trials 9
      connstorm suite smoke --kernel deb:bookworm --kernel deb:trixie
      connstorm suite sysctls --executor ssh --hosts lab1,root@lab2:2222
    """
    if is_list:
        print_shipped(as_json=as_json)
        return
    if copy is not None:
        copy_suite(source, copy)
        return
    if source is None:
        raise UsageError(
            "Give a suite file, or the name of a suite; connstorm suite --list shows those that come with it."
        )
    executor = make_executor(engine, [name for name in hosts.split(",") if name], remote_connstorm)
    if resume and not source.exists():
        with suppress(NoRunsError):  # then it is a file, or comes with connstorm
            source = find_stored(str(source), output, only_suites=True)
    source = find_suite_file(source)
    path = source if source.is_dir() else None
    if path is not None and not (resume or dry_run):
        raise UsageError(f"{source} is a folder: go on with it by --resume, or give the suite's file.")
    what = suite_file.read(source, host=host) if path is None else suite_folder.read(source).suite
    text = source.read_text("utf-8-sig") if path is None else None
    if trials is not None:
        what = msgspec.structs.replace(what, trials=trials)
    if kernels:
        what = add_kernel_axis(what, kernels)
    if dry_run:
        print_plan(manifest.begin_suite(what, executor, host=host, boot=False), as_json=as_json)
        return
    if resume:
        path = path or suite_folder.find_latest(output, what.name)
    path, interrupted = conduct(
        what, output, executor, quiet=as_json, text=text, host=host, resume=path, retry_failed=retry_failed
    )
    failed = conclude(path, as_json=as_json)
    if interrupted:  # last, below a table that may be long
        given = {"--executor": engine, "--hosts": hosts, "--remote-connstorm": remote_connstorm}
        defaults = {option.opts[0]: option.default for option in suite.params}
        options = [word for name, value in given.items() if value != defaults[name] for word in (name, value)]
        command = resume_command(path, options, host=host, retry_failed=retry_failed)
        print_text(f"connstorm: interrupted; go on with: {command}", err=True)
    sys.exit(interrupted or failed)


def conduct(
    what: Suite, output: Path, executor: Executor, *, quiet: bool, host: bool = False, **options: Any
) -> tuple[Path, int]:
    """Run what is missing and report progress; return the folder, and the exit code of an interrupt or 0.

    Raises:
        UsageError: the package is missing that compares cells.
        KeyboardInterrupt: there is no folder yet.
    """
    if len(matrix.build_cells(what, host=host)) > 1:
        require_package("scipy", "compare", "A suite of several cells")  # now, not after its last trial
    catch_sigterm()
    printer = console(stderr=True)
    printer.quiet = quiet
    with SuiteProgress(printer, estimate.expected_seconds(what, host=host), len(executor.hosts)) as progress:
        try:
            return runner.run(what, output, executor, progress, host=host, **options), 0
        except KeyboardInterrupt:
            if progress.path is None:
                raise
            return progress.path, interrupted_code()


def conclude(path: Path, *, as_json: bool) -> int:
    """Draw the figure, print the table; return the exit code."""
    file = suite_folder.read(path)
    cells = read_cell_trials(path, file)
    if any(trials.done for trials in cells):
        with figure_optional(path / FIGURE):
            draw_suite(file, cells, path / FIGURE, busy_text(cells))
    return print_suite(path, as_json=as_json)


def draw_suite(
    file: Manifest, cells: list[CellTrials], picture: Path, alarm: str = "", *, with_svg: bool = False
) -> None:
    """Draw the figure of a suite; ``alarm`` says what makes it doubtful, ``with_svg`` writes it as SVG too."""
    from stress.view.figure.save import save_figure  # noqa: PLC0415
    from stress.view.figure.suite.suite_figure import suite_figure  # noqa: PLC0415

    save_figure(suite_figure(cells, file.suite.name, caption(file), alarm), picture, with_svg=with_svg)


def print_suite(path: Path, *, as_json: bool) -> int:
    """Print the table of a suite; return the exit code."""
    file = suite_folder.read(path)
    cells = read_cell_trials(path, file)
    failed = sum(len(trials.failed) for trials in cells)
    interrupted = sum(len(trials.interrupted) for trials in cells)
    if as_json:
        document: dict[str, Any] = {
            "schema": file.schema,
            "suite": file.suite.name,
            "path": str(path),
            "missing": count_missing(cells),
            "failed": failed,
            "interrupted": interrupted,
            "cells": [cell_object(trials) for trials in cells],
        }
        print_object(document)
    else:
        printer = console()
        printer.print(suite_table(rank_cells(cells, file.suite.rank)))
        for line in arm_lines(file):
            printer.print(line, soft_wrap=True, markup=False)
        figure = f"figure: {path / FIGURE}\n" if (path / FIGURE).exists() else ""
        printer.print(f"{figure}folder: {path}", soft_wrap=True)
    is_whole = not failed and not interrupted and any(trials.done for trials in cells)
    return 0 if is_whole else LabError.exit_code
