# SPDX-License-Identifier: MIT
"""connstorm compare: what changed between stored runs, and how sure that is."""

import re
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from stress.analysis.comparison.moved_counters import describe_moved_counters
from stress.cli.output import console, figure_optional, json_option, output_option, print_object
from stress.cli.stored import allow_busy_option, base_history_option, complete_stored, last_option
from stress.cli.streams import print_text
from stress.cli.verb import Verb
from stress.compare.arms import Question, compare_all, compare_arms
from stress.compare.profiles import compare_profiles, profile_object
from stress.model.errors import UsageError
from stress.model.text import plural
from stress.store.stored_names import find_arm
from stress.view.text import comparison_markdown, comparison_table
from stress.view.text.profile_difference import profile_difference

FOLDER = "compare"  # inside OUTPUT
COMPARE_SCHEMA = 1
NAME_MAX = 100


@click.command(cls=Verb)
@click.argument("arms", nargs=-1, required=True, metavar="[LABEL=]BASE [LABEL=]NEW...", shell_complete=complete_stored)
@base_history_option
@last_option
@click.option("--metric", "metrics", multiple=True, help="compare this alone; repeatable, and all of these gate")
@click.option("--rows", help="dimensions that make rows, with commas; by default cells")
@click.option("--cols", help="dimensions that make columns, with commas; by default the arms")
@click.option("--base", help="the column that the others are compared with; by default the first arm, or the baseline")
@click.option("--filter", "filters", multiple=True, metavar="KEY=VALUE", help="look at these runs only")
@click.option("--allow-diff", "allowed", multiple=True, metavar="KIND", help="kernel, testbed, plan or settings")
@allow_busy_option
@click.option("--all", "everything", is_flag=True, help="show also what is zero in both")
@click.option("--profile", "with_profile", is_flag=True, help="also which functions of the kernel a change came from")
@click.option("--markdown", is_flag=True, help="print GitHub-flavoured Markdown")
@click.option("--draw/--no-draw", default=True, help="make the figures")
@output_option
@json_option
def compare(
    *,
    arms: tuple[str, ...],
    base_history: Path | None,
    last: int,
    metrics: tuple[str, ...],
    rows: str | None,
    cols: str | None,
    base: str | None,
    filters: tuple[str, ...],
    allowed: tuple[str, ...],
    allow_busy: bool,
    output: Path,
    everything: bool,
    with_profile: bool,
    markdown: bool,
    draw: bool,
    as_json: bool,
) -> None:
    r"""Compare stored runs: run folders, suite folders (path#cell for one cell), or folders of these.

    A run or suite in OUTPUT can be named in short: by a part that it alone has, latest, latest~1 (the one before), or
    latest:closewait (the newest of a scenario or suite).

    Times of arms that were not measured in one session are compared by sessions: with one on either side they are
    inconclusive, unless a calibration or OUTPUT/history says how far sessions differ. A folder of several suites as
    BASE, or --base-history, has several sessions.

    Dimensions are label, scenario, cell, kernel, testbed, program, link, arm, the fields of the plan (mines, ...) and
    settings (tcp_tw_reuse). Filters are KEY=VALUE,VALUE or KEY!=VALUE with * and ?. The cells of a single suite are
    compared with its baseline; so are the values of a dimension by --cols.

    \b
    Examples:
      connstorm compare old=results/2026...-suite-smoke-1a2b3c new=results/2026...-suite-smoke-4d5e6f
      connstorm compare latest:closewait~1 latest:closewait
      connstorm compare results/2026...-suite-sysctls-1a2b3c
      connstorm compare results/2026...-suite-sysctls-1a2b3c --cols tcp_timestamps --filter scenario=clean
      connstorm compare latest:track --base-history results/history
      connstorm compare results/6.1 results/6.12 --allow-diff kernel
      connstorm compare latest:mine~1 latest:mine --profile
    """
    arms = tuple(find_arm(text, output) for text in arms)
    question = Question(
        arms=arms,
        base_history=base_history,
        last=last,
        rows=tuple(rows.split(",")) if rows else (),
        cols=tuple(cols.split(",")) if cols else (),
        filters=filters,
        base=base,
        allowed=allowed,
        allow_busy=allow_busy,
        results=output,
    )
    if with_profile and markdown:
        raise UsageError("--profile has no Markdown: leave out --markdown, or give --json.")
    matched = compare_arms(question)
    profiles, unprofiled = compare_profiles(matched.pairs) if with_profile else ([], [])
    comparisons = compare_all(matched, metrics)
    warnings = [*matched.warnings, *describe_moved_counters(comparisons, matched.pairs), *unprofiled]
    figures: list[Path] = []
    if draw:
        from stress.compare.figures import draw_comparison as draw_figures  # noqa: PLC0415  # matplotlib comes with it

        folder = output / FOLDER / folder_name(question.names)
        with figure_optional(folder):
            figures = draw_figures(comparisons, matched.pairs, folder)
    if as_json:
        print_object(
            {
                "schema": COMPARE_SCHEMA,
                "comparisons": [msgspec.to_builtins(comparison) for comparison in comparisons],
                "warnings": warnings,
                "absent": matched.absent,
                "figures": [str(path) for path in figures],
                **({"profiles": [profile_object(pair) for pair in profiles]} if with_profile else {}),
            }
        )
        return
    if markdown:
        click.echo(comparison_markdown.markdown(comparisons, matched.absent), nl=False)
    else:
        console().print(comparison_table.table(comparisons, everything=everything, absent=matched.absent))
        for pair in profiles:
            title = f"{pair.row + ': ' if pair.row else ''}{pair.new} against {pair.base}"
            console().print(profile_difference(title, pair.acts, pair.unit, everything=everything))
    for text in warnings:
        print_text(f"warning: {text}", err=True)
    if figures:
        print_text(f"{plural(len(figures), 'figure')} in {figures[0].parent}", err=markdown)


def folder_name(arms: Sequence[str]) -> str:
    """Return a name for the folder of the figures."""
    names = [arm.partition("=")[0] if "=" in arm.partition("/")[0] else Path(arm).name for arm in arms]
    return re.sub(r"[^A-Za-z0-9._#-]+", "-", "-against-".join(reversed(names)))[:NAME_MAX]
