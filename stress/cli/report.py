# SPDX-License-Identifier: MIT
"""connstorm report: stored runs as one HTML page."""

from pathlib import Path

import click

from stress.cli.verb import Verb


@click.command(cls=Verb)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="the file",
)
def report(runs: tuple[str, ...], *, output: Path) -> None:
    r"""Write one HTML page about stored RUNs: the verdict, figures, every attempt, proofs, and how to make it again.

    The page is one file; it asks no server for anything.

    \b
    Examples:
      connstorm report results/20260131T120000Z-closewait-abc123 -o closewait.html
    """
    from stress.compare.report import write_report  # noqa: PLC0415  # numpy and templates come with it

    click.echo(write_report(runs, output))
