# SPDX-License-Identifier: MIT
"""connstorm plot: the figures of stored runs again."""

from pathlib import Path

import click

from stress.analysis.attribution.summary import analyse
from stress.cli.stored import complete_stored, results_option
from stress.cli.verb import Verb
from stress.store import run_folder
from stress.store.stored_names import find_stored


@click.command(cls=Verb)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", shell_complete=complete_stored)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="the folder for the figures; by default the working directory",
)
@results_option
def plot(runs: tuple[str, ...], output: Path | None, results: Path) -> None:
    """Draw the figures of each stored RUN again, as <run>-timeline.png and so on; run folders are left as they are."""
    from stress.view.figure.run.run_figures import figure_writers  # noqa: PLC0415

    paths = [find_stored(text, results) for text in runs]
    stored = [(path, *run_folder.read(path)) for path in paths]
    target = output or Path()
    run_folder.check_writable(target)
    for path, run, summary in stored:
        for name, draw in figure_writers(analyse(run, summary.evidence)).items():
            picture = target / f"{path.resolve().name}-{name}"
            draw(picture)
            click.echo(picture)
