# SPDX-License-Identifier: MIT
"""connstorm report: stored runs as one HTML page."""

from pathlib import Path

import click

from stress.cli.stored import complete_stored, results_option
from stress.cli.streams import print_text
from stress.cli.verb import Verb
from stress.store.stored_names import find_arm


@click.command(cls=Verb)
@click.argument("runs", nargs=-1, required=True, metavar="[LABEL=]RUN[#CELL]...", shell_complete=complete_stored)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="the file",
)
@click.option(
    "--public", "is_public", is_flag=True, help="leave out host names, addresses, paths and user names, to pass it on"
)
@results_option
@click.option("--metric", "metrics", multiple=True, help="compare or follow this alone; repeatable")
@click.option("--rows", help="dimensions that make rows, with commas; by default cells")
@click.option("--cols", help="dimensions that make columns, with commas; by default the arms")
@click.option("--base", help="the column that the others are compared with; by default the first")
@click.option("--filter", "filters", multiple=True, metavar="KEY=VALUE", help="look at these runs only")
def report(
    runs: tuple[str, ...],
    *,
    output: Path,
    is_public: bool,
    results: Path,
    metrics: tuple[str, ...],
    rows: str | None,
    cols: str | None,
    base: str | None,
    filters: tuple[str, ...],
) -> None:
    r"""Write one HTML page about stored RUNs: the verdict, every attempt, figures, proofs, and how to make it again.

    A run and a suite have a page of their own, several of them or --cols make a comparison, and a folder of runs and
    suites is a history. The page is one file that asks no server for anything.

    \b
    Examples:
      connstorm report latest
      connstorm report results/20260131T120000Z-closewait-abc123 -o closewait.html --public
      connstorm report old=results/20260130T...-suite-smoke-1a2b3c new=results/20260131T...-suite-smoke-4d5e6f
      connstorm report suite-sysctls-1a2b3c --cols tcp_timestamps
      connstorm report results/history -o history.html
    """
    from stress.compare.report import ReportQuestion, write_report  # noqa: PLC0415  # numpy and templates come with it

    question = ReportQuestion(
        arguments=[find_arm(text, results) for text in runs],
        rows=tuple(rows.split(",")) if rows else (),
        cols=tuple(cols.split(",")) if cols else (),
        filters=filters,
        base=base,
        metrics=metrics,
        results=results,
        is_public=is_public,
    )
    print_text(str(write_report(question, output)))
