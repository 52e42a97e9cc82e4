# SPDX-License-Identifier: MIT
"""connstorm calibrate: what noise is like on this machine."""

import sys
from pathlib import Path

import click

from stress.cli.completion import complete_scenario
from stress.cli.counts import CountOption
from stress.cli.output import console, json_option, output_option, print_object
from stress.cli.suite import conduct
from stress.cli.verb import Verb
from stress.compare import calibrate as twice
from stress.model.errors import LabError
from stress.model.text import plural
from stress.store import calibration as stored
from stress.store import suite_folder
from stress.suite.cell_results import count_missing, read_cell_trials
from stress.suite.executor.local import Local
from stress.view.text.noise_table import noise_table

TRIALS_LEAST = 6  # of fewer no interval reaches 95 %


@click.command(cls=Verb)
@click.argument("names", metavar="[SCENARIO]...", nargs=-1, shell_complete=complete_scenario)
@click.option("--trials", type=click.IntRange(TRIALS_LEAST, 1000), default=12, show_default=True, help="blocks")
@click.option("--attempts", type=CountOption(1), help="of each trial; by default the scenario's own number")
@click.option("--seed", type=int, default=1, show_default=True)
@output_option
@json_option
def calibrate(
    names: tuple[str, ...], trials: int, attempts: int | None, seed: int, output: Path, *, as_json: bool
) -> None:
    r"""Compare scenarios with themselves: what differs is noise, and no threshold should lie below it.

    Without SCENARIO, clean and closewait. The result goes to OUTPUT/calibration, one file for each kind of machine,
    which connstorm power reads.

    \b
    Examples:
      connstorm calibrate
      connstorm calibrate clean --attempts 10000 --trials 20
    """
    suite = twice.calibration_suite(list(names or ("clean", "closewait")), trials=trials, attempts=attempts, seed=seed)
    path, interrupted = conduct(suite, output, Local(), quiet=as_json)
    if interrupted:
        click.echo(f"connstorm: interrupted; nothing is known of the noise, the trials so far are in {path}.", err=True)
        sys.exit(interrupted)
    file = suite_folder.read(path)
    cells = read_cell_trials(path, file)
    failed = sum(len(cell.failed) for cell in cells)
    if failed or count_missing(cells):
        raise LabError(
            f"{plural(failed, 'trial')} failed, see {path}; nothing is known of the noise, and nothing was written."
        )
    result = twice.build_calibration(file, cells)
    where = stored.write(output, result)
    if as_json:
        print_object({"path": str(where), "suite": str(path), "calibration": result})
        return
    printer = console()
    printer.print(noise_table(result))
    printer.print(f"calibration: {where}\nfolder: {path}", soft_wrap=True)
