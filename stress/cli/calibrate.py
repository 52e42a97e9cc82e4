# SPDX-License-Identifier: MIT
"""connstorm calibrate: what noise is like on this machine."""

import sys
import time
from pathlib import Path

import click

from stress.analysis.statistics.trials import CellTrials
from stress.cli.completion import complete_scenario
from stress.cli.counts import CountOption
from stress.cli.output import console, json_option, output_option, print_object
from stress.cli.streams import print_text
from stress.cli.suite import conduct
from stress.cli.verb import Verb
from stress.compare import calibrate as twice
from stress.model.errors import LabError
from stress.model.text import plural
from stress.store import calibration as stored
from stress.store import suite_folder
from stress.store.suite_folder import Manifest
from stress.suite.cell_results import count_missing, read_cell_trials
from stress.suite.executor.local import Local
from stress.view.text.noise_table import noise_table, sessions_text

TRIALS_LEAST = 6  # of fewer no interval reaches 95 %


@click.command(cls=Verb)
@click.argument("names", metavar="[SCENARIO]...", nargs=-1, shell_complete=complete_scenario)
@click.option("--trials", type=click.IntRange(TRIALS_LEAST, 1000), default=12, show_default=True, help="blocks")
@click.option("--attempts", type=CountOption(1), help="of each trial; by default the scenario's own number")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--sessions",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    metavar="N",
    help="so many suites, from which follows how far sessions differ",
)
@click.option(
    "--pause", "pause_min", type=click.FloatRange(0), default=0, metavar="MINUTES", help="between two of these suites"
)
@output_option
@json_option
def calibrate(
    *,
    names: tuple[str, ...],
    trials: int,
    attempts: int | None,
    seed: int,
    sessions: int,
    pause_min: float,
    output: Path,
    as_json: bool,
) -> None:
    r"""Compare scenarios with themselves: what differs is noise, and no threshold should lie below it.

    Without SCENARIO, clean and closewait. The result goes to OUTPUT/calibration, one file for each kind of machine,
    which connstorm power reads.

    With --sessions 2 or more, compare and gate know how far times of different sessions differ, and can say something
    of one session on either side. Sessions one directly after the other differ by less than those of other days: let
    --pause be long, or better gate with --base-history.

    \b
    Examples:
      connstorm calibrate
      connstorm calibrate clean --attempts 10000 --trials 20
      connstorm calibrate clean --sessions 6 --pause 60
    """
    suite = twice.calibration_suite(list(names or ("clean", "closewait")), trials=trials, attempts=attempts, seed=seed)
    done: list[tuple[Manifest, list[CellTrials]]] = []
    paths: list[Path] = []
    for number in range(sessions):
        if number:
            time.sleep(60 * pause_min)
        path, interrupted = conduct(suite, output, Local(), quiet=as_json)
        if interrupted:
            print_text(
                f"connstorm: interrupted; nothing is known of the noise, the trials so far are in {path}.", err=True
            )
            sys.exit(interrupted)
        done.append(finished_trials(path))
        paths.append(path)
    result = twice.build_calibration(done, pause_s=60 * pause_min)
    where = stored.write(output, result)
    if as_json:
        suites = list(map(str, paths))
        print_object({"path": str(where), "suite": suites[-1], "suites": suites, "calibration": result})
        return
    printer = console()
    printer.print(noise_table(result))
    if note := sessions_text(result):
        printer.print(note, soft_wrap=True)
    folders = "\n".join(f"folder: {path}" for path in paths)
    printer.print(f"calibration: {where}\n{folders}", soft_wrap=True)


def finished_trials(path: Path) -> tuple[Manifest, list[CellTrials]]:
    """Return a calibration suite with its trials.

    Raises:
        LabError: some are missing.
    """
    file = suite_folder.read(path)
    cells = read_cell_trials(path, file)
    failed = sum(len(cell.failed) for cell in cells)
    if failed or count_missing(cells):
        raise LabError(
            f"{plural(failed, 'trial')} failed, see {path}; nothing is known of the noise, and nothing was written."
        )
    return file, cells
