# SPDX-License-Identifier: MIT
"""connstorm plot: the figures of stored runs again."""

from pathlib import Path

import click

from stress.analysis.attribution.summary import analyse
from stress.cli.verb import Verb
from stress.store import run_folder


@click.command(cls=Verb)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="the folder for the figures; by default the working directory",
)
def plot(runs: tuple[Path, ...], output: Path | None) -> None:
    """Draw the figures of each stored RUN again, as <run>-timeline.png and so on; run folders are left as they are."""
    from stress.view.figure.run.run_figures import figure_writers  # noqa: PLC0415

    stored = [(path, *run_folder.read(path)) for path in runs]
    target = output or Path()
    run_folder.check_writable(target)
    for path, run, summary in stored:
        for name, draw in figure_writers(analyse(run, summary.evidence)).items():
            picture = target / f"{path.resolve().name}-{name}"
            draw(picture)
            click.echo(picture)
