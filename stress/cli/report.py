# SPDX-License-Identifier: MIT
"""connstorm report: stored runs as one HTML page."""

from pathlib import Path

import click

from stress.cli.output import RESULTS
from stress.cli.verb import Verb


@click.command(cls=Verb)
@click.argument("runs", nargs=-1, required=True, metavar="[LABEL=]RUN[#CELL]...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="the file",
)
@click.option("--metric", "metrics", multiple=True, help="compare or follow this alone; repeatable")
@click.option("--rows", help="of a comparison: dimensions that make rows, with commas; by default cells")
@click.option("--cols", help="of a comparison: dimensions that make columns, with commas; by default the arms")
@click.option("--base", help="of a comparison: the column that the others are compared with; by default the first")
@click.option("--filter", "filters", multiple=True, metavar="KEY=VALUE", help="of a comparison: these runs only")
def report(
    runs: tuple[str, ...],
    *,
    output: Path,
    metrics: tuple[str, ...],
    rows: str | None,
    cols: str | None,
    base: str | None,
    filters: tuple[str, ...],
) -> None:
    r"""Write one HTML page about stored RUNs: the verdict, figures, proofs, and how to make them again.

    A run and a suite have a page of their own, several of them or --cols make a comparison, and a folder of runs and
    suites is a history. The page is one file that asks no server for anything.

    \b
    Examples:
      connstorm report results/20260131T120000Z-closewait-abc123 -o closewait.html
      connstorm report old=results/20260130T...-suite-smoke-1a2b3c new=results/20260131T...-suite-smoke-4d5e6f
      connstorm report results/20260131T...-suite-sysctls-1a2b3c --cols tcp_timestamps
      connstorm report results/history -o history.html
    """
    from stress.compare.report import ReportQuestion, write_report  # noqa: PLC0415  # numpy and templates come with it

    question = ReportQuestion(
        arguments=runs,
        rows=tuple(rows.split(",")) if rows else (),
        cols=tuple(cols.split(",")) if cols else (),
        filters=filters,
        base=base,
        metrics=metrics,
        results=RESULTS,
    )
    click.echo(write_report(question, output))
