# SPDX-License-Identifier: MIT
"""connstorm list: the runs and suites that are stored."""

from pathlib import Path
from typing import Any

import click
import msgspec

from stress.cli.output import RESULTS, console, json_option, print_object
from stress.cli.verb import Verb
from stress.model.errors import UsageError
from stress.model.text import plural
from stress.store.overview import Overview, SuiteOverview, folders_of_runs, read_overview
from stress.store.stored_names import RUN_FILE, StoredEntry, list_stored
from stress.store.suite_folder import SUITE_FILE
from stress.view.text.stored_table import stored_table

SHOWN = 30  # entries of a folder, without --all
LIST_SCHEMA = 1


@click.command("list", cls=Verb)
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), metavar="[DIR]...")
@click.option("-n", "--newest", type=click.IntRange(min=1), default=SHOWN, show_default=True, help="how many to list")
@click.option("--all", "everything", is_flag=True, help="list all")
@json_option
def list_runs(folders: tuple[Path, ...], newest: int, *, everything: bool, as_json: bool) -> None:
    r"""List the runs and suites in DIR (by default results), the newest first, with what was slow or failed.

    Other verbs take the names that are listed, and any part that one of them alone has.

    \b
    Examples:
      connstorm list
      connstorm list --all --json
      connstorm show closewait-8f58ea
    """
    several = folders or (RESULTS,)
    documents = []
    for place, folder in enumerate(several):
        check_folder(folder, is_given=bool(folders))
        entries = list_stored(folder)
        shown = entries if everything else entries[:newest]
        lines = [(entry, read_overview(entry)) for entry in shown]
        others = list(folders_of_runs(folder)) if folder.is_dir() else []
        if as_json:
            documents.append(folder_object(folder, lines, len(entries), others))
            continue
        printer = console()
        if several[1:]:
            printer.print(f"{'' if not place else chr(10)}{folder}:", soft_wrap=True)
        if lines:
            printer.print(stored_table(lines, printer.width))
        else:
            printer.print(f"{folder} has no run and no suite; connstorm run and suite write some.", soft_wrap=True)
        if len(entries) > len(shown):
            printer.print(f"{plural(len(entries) - len(shown), 'older one')}: --all lists all.")
        for path, count in others:
            printer.print(f"{plural(count, 'run or suite', 'runs and suites')} in {path}", soft_wrap=True)
    if as_json:
        print_object({"schema": LIST_SCHEMA, "folders": documents})


def check_folder(folder: Path, *, is_given: bool) -> None:
    """Raise UsageError unless a folder may have runs in it; the default one need not be there."""
    if (folder / RUN_FILE).is_file() or (folder / SUITE_FILE).is_file():
        raise UsageError(f"{folder} is a run or suite itself; connstorm show {folder} prints it.")
    if is_given and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; give one that holds runs and suites.")


def folder_object(
    folder: Path, lines: list[tuple[StoredEntry, Overview]], count: int, others: list[tuple[Path, int]]
) -> dict[str, Any]:
    """Return what ``--json`` says of a folder."""
    return {
        "path": str(folder),
        "stored": count,
        "entries": [entry_object(entry, overview) for entry, overview in lines],
        "other_folders": [{"path": str(path), "stored": inside} for path, inside in others],
    }


def entry_object(entry: StoredEntry, overview: Overview) -> dict[str, Any]:
    """Return what ``--json`` says of a run or suite."""
    kind = "suite" if isinstance(overview, SuiteOverview) or entry.is_suite else "run"
    names = {"name": entry.name, "short_name": entry.short_name, "path": str(entry.path), "started": entry.started}
    said: dict[str, Any] = msgspec.to_builtins(overview)
    return {"kind": kind} | names | said
