# SPDX-License-Identifier: MIT
"""connstorm --version: which program this is, how its engines were built, and what runs them."""

import platform
from typing import Any

import click

from stress import __version__


def version_text() -> str:
    """Return the version, and on two further lines how the engines were built and what runs them here."""
    from importlib.metadata import version  # noqa: PLC0415  # it takes as long as the rest of the list of verbs

    from stress._listener import BUILD  # noqa: PLC0415  # all engines are built together

    facts = [f"{name} {BUILD[name]}" for name in ("Cython", "commit") if BUILD[name]]
    built = ", ".join([BUILD["ABI"], BUILD["compiler"], *facts, *([BUILD["checks"]] if BUILD["checks"] else [])])
    here = f"Python {platform.python_version()}, numpy {version('numpy')}, Linux {platform.release()}"
    return f"connstorm, version {__version__}\nengines: {built}\nrun by: {here}"


def print_version(context: click.Context, _: click.Parameter, value: Any) -> None:
    """Print it and end, where the option was given."""
    if value and not context.resilient_parsing:
        click.echo(version_text())
        context.exit()
