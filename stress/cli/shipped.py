# SPDX-License-Identifier: MIT
"""What verbs that take a suite file share: the names of the suites that come with connstorm."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from stress.cli.output import console, print_object
from stress.cli.stored import complete_stored
from stress.cli.streams import print_text
from stress.model.errors import UsageError
from stress.suite.shipped import SUFFIX, copy_shipped, list_shipped, shipped_names
from stress.view.text.shipped_table import shipped_table

HERE = ""  # --copy without FILE: the suite's own name, in the working directory


def complete_suite(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of suites that come with connstorm; with --resume those that are stored."""
    if context.params.get("resume"):
        return complete_stored(context, parameter, incomplete)
    names = [CompletionItem(name) for name in shipped_names() if name.startswith(incomplete)]
    return [CompletionItem(incomplete, type="file"), *names]


def print_shipped(*, as_json: bool) -> None:
    """Print the suites that come with connstorm."""
    suites = [
        (shipped.name, shipped.suite.description, shipped.cells, shipped.suite.trials, shipped.seconds)
        for shipped in list_shipped()
    ]
    if as_json:
        keys = ("name", "description", "cells", "trials", "seconds")
        print_object({"suites": [dict(zip(keys, row, strict=True)) for row in suites]})
        return
    printer = console()
    printer.print(shipped_table(suites))
    printer.print("connstorm suite NAME runs one, connstorm suite NAME --copy writes its file to be changed.")


def copy_suite(source: Path | None, target: str) -> None:
    """Write the file of a suite that comes with connstorm, and say where it is.

    Raises:
        UsageError: none is named, there is no such suite, or the target exists.
    """
    if source is None:
        raise UsageError("--copy needs the suite's name first: connstorm suite smoke --copy")
    file = Path(target or f"{source}{SUFFIX}")
    copy_shipped(str(source), file)
    print_text(f"{file} is a copy of {source}, to be changed; to run it: connstorm suite {file}")
