# SPDX-License-Identifier: MIT
"""connstorm export: stored runs as files for other programs."""

import sys
from pathlib import Path

import click

from stress.cli.stored import complete_stored, results_option
from stress.cli.streams import print_text
from stress.cli.verb import Verb
from stress.model.errors import UsageError
from stress.store.stored_names import find_arm
from stress.view.export.arms import runs_by_argument
from stress.view.export.exporter import Exporter
from stress.view.export.registry import FORMATS

STANDARD_OUTPUT = "-"


@click.command(cls=Verb)
@click.argument("runs", nargs=-1, required=True, metavar="[LABEL=]RUN[#CELL]...", shell_complete=complete_stored)
@click.option("--format", "name", type=click.Choice(tuple(FORMATS)), required=True, help="of what other program")
@click.option(
    "-o", "--output", default=STANDARD_OUTPUT, help="the file, or the folder of several; - (the default) prints"
)
@click.option("--metric", "metrics", multiple=True, help="a metric over trials; repeatable; by default the usual ones")
@click.option("--columns", "by", metavar="DIM", help="a file for each kernel, label, setting or field of the plan")
@results_option
def export(
    *,
    runs: tuple[str, ...],
    name: str,
    output: str,
    metrics: tuple[str, ...],
    by: str | None,
    results: Path,
) -> None:
    r"""Write stored RUNs, suites, or folders of these, in the FORMAT of another program.

    Runs of one cell are its trials: each gives one value per metric. csv, parquet and hlog have the attempts
    themselves; flamegraph, speedscope and pprof the stacks of runs that were profiled.

    \b
    Examples:
      connstorm export results/RUN --format csv -o attempts.csv
      connstorm export results/SUITE --format benchfmt -o new.txt
      connstorm export results/SUITE --format otava -o otava
      connstorm export old=results/A new=results/B --format pyperf --columns label -o pyperf

    \b
    A file for each kernel, and pytest-benchmark's table with a column for each:
      connstorm export results --format pytest-benchmark --columns kernel -o kernels
      pytest-benchmark compare kernels/*.json --between=min,median --group-by=group
    """
    arms = [find_arm(text, results) for text in runs]
    exporter = Exporter(runs_by_argument(arms, by), name, metrics, by)
    if output != STANDARD_OUTPUT:
        for path in exporter.file(Path(output)):
            print_text(str(path))
        return
    if exporter.folder:
        raise UsageError("This makes several files; give a folder for them with -o.")
    exporter.stream(sys.stdout.buffer)
    sys.stdout.flush()
