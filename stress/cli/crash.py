# SPDX-License-Identifier: MIT
"""A crash: an exception that nobody expected is a fault of the program, never the result of a verb."""

import os
import platform
import shlex
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from stress import __version__
from stress.cli.shortage import explain_shortage
from stress.cli.streams import print_text
from stress.model.errors import CRASHED
from stress.model.text import shown_text


def report_crash(error: BaseException) -> int:
    """Say on standard error that the program has a fault, write its trace to a file, and return the exit code.

    Args:
        error: what nobody caught; of what the system did not give, only that is said.
    """
    if shortage := explain_shortage(error):
        print_text(f"connstorm: {shortage}", err=True)
        return shortage.exit_code
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
        print_text(f"{what}. {file} has the trace; please report the fault with it.", err=True)
    except OSError:  # no room for a file: here, then
        print_text(f"{report}{what}. Please report the fault with the trace above.", err=True)
    return CRASHED


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's text, without its full stop."""
    return next(iter(str(error).splitlines()), "no text").rstrip(".")
