# SPDX-License-Identifier: MIT
"""A crash: an exception that nobody expected is a fault of the program, never the result of a verb."""

import errno
import os
import platform
import shlex
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

import click

from stress import __version__
from stress.model.errors import CRASHED, StoreError
from stress.model.text import shown_text

# Errors of files that the user can do something about, wherever they come up.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FILE_ERRORS = (
    *(*NO_ROOM, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM),
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP),
)


def explain_file_error(error: OSError) -> str | None:
    """Return a sentence about a file that could not be used; None where the error is not about a file."""
    if error.errno not in FILE_ERRORS or not (error.filename or error.errno in NO_ROOM):
        return None
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else "A file"
    if error.errno in NO_ROOM:
        return f"{where} could not be written: {os.strerror(error.errno)}; make room, or choose another place."
    return f"{where} cannot be used: {os.strerror(error.errno)}; choose another place."


def report_crash(error: BaseException) -> int:
    """Say on standard error that the program has a fault, write its trace to a file, and return the exit code.

    Args:
        error: what nobody caught; of a file that cannot be used, only that is said.
    """
    if isinstance(error, OSError) and (sentence := explain_file_error(error)):
        click.echo(shown_text(f"connstorm: {sentence}"), err=True)
        return StoreError.exit_code
    trace = "".join(traceback.format_exception(error))
    report = (
        f"connstorm {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"{datetime.now(UTC).isoformat(timespec='seconds')}  {shlex.join(sys.argv)}\n\n{trace}"
    )
    what = f"connstorm has a fault and ended: {type(error).__name__}: {shown_text(first_line(error))}"
    try:
        descriptor, file = tempfile.mkstemp(prefix="connstorm-crash-", suffix=".txt")
        os.close(descriptor)
        Path(file).write_text(report, encoding="utf-8", errors="backslashreplace")
        click.echo(f"{what}. {file} has the trace; please report the fault with it.", err=True)
    except OSError:  # no room for a file: here, then
        click.echo(f"{report}{what}. Please report the fault with the trace above.", err=True)
    return CRASHED


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's text, without its full stop."""
    return next(iter(str(error).splitlines()), "no text").rstrip(".")
