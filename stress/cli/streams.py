# SPDX-License-Identifier: MIT
"""Standard output and error where nobody reads them, the disk is full, or an encoding has not all letters."""

import io
import os
import sys
from contextlib import suppress
from typing import NoReturn

import click

from stress.model.errors import BROKEN_PIPE
from stress.model.text import shown_text


def replace_unknown_letters() -> None:
    """Let letters that the locale's encoding does not have, and bytes that are no letters, be printed as ``?``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def leave_broken_pipe() -> NoReturn:
    """End the program as SIGPIPE would: nobody reads standard output, or error, any more."""
    discard_lost_streams()
    sys.exit(BROKEN_PIPE)


def is_output_lost() -> bool:
    """Return whether standard output still cannot be written; it is then discarded."""
    try:
        click.echo()  # to flush alone is not enough: after a failure nothing may be left
    except OSError:
        discard_lost_streams()
        return True
    return False


def discard_lost_streams() -> None:
    """Discard what is still to be written to streams that cannot be written, or Python would end with 120."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # it was closed before the program began
            continue
        try:
            stream.flush()
        except OSError:
            with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123  # a descriptor is needed
                os.dup2(nowhere.fileno(), stream.fileno())


def print_text(text: str, *, err: bool = False) -> None:
    """Print text that may have names of files, hosts or programs, which a terminal must not obey."""
    click.echo(shown_text(text), err=err)
