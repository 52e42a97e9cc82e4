# SPDX-License-Identifier: MIT
"""What verbs share that take stored runs by name: the folder of all runs, and the completion of names."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from stress.cli.output import RESULTS
from stress.store.stored_names import list_stored

results_option = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=RESULTS,
    show_default=True,
    help="the folder in which a run or suite is looked for by name",
)
base_history_option = click.option(
    "--base-history",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="the base is the newest sessions in DIR that can be compared with NEW, without NEW itself",
)
allow_busy_option = click.option(
    "--allow-busy", is_flag=True, help="compare times though the machine was busy in more than a quarter of the trials"
)
last_option = click.option(
    "--last", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="how many sessions of DIR"
)


def complete_stored(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of stored runs and suites, the newest first; where none fits, the shell completes a path."""
    results = context.params.get("results") or context.params.get("output")
    names = ["latest", *(entry.short_name for entry in list_stored(results if isinstance(results, Path) else RESULTS))]
    shown = [name for name in dict.fromkeys(names) if name.startswith(incomplete) and name.isprintable()]
    return [CompletionItem(incomplete, type="file"), *map(CompletionItem, shown)]
