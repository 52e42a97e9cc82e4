# SPDX-License-Identifier: MIT
"""connstorm plot: the figures of stored runs again."""

from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="the folder for the figures; by default the working directory",
)
def plot(runs: tuple[Path, ...], output: Path | None) -> None:
    """Draw the timeline of each stored RUN again, as <run>-timeline.png; run folders are left as they are."""
    from stress.analysis.summary import analyse  # noqa: PLC0415  # numpy and matplotlib are slow to load
    from stress.store import folder  # noqa: PLC0415
    from stress.view.timeline import timeline  # noqa: PLC0415

    findings = [(path, analyse(folder.read(path)[0])) for path in runs]
    target = output or Path()
    folder.prepare(target)
    for path, found in findings:
        picture = target / f"{path.resolve().name}-timeline.png"
        timeline(found, picture)
        click.echo(picture)
