# SPDX-License-Identifier: MIT
"""What a user writes to standard input in place of an option. Imports no numpy."""

import sys

STDIN = "-"  # as the value of an option


def read_line() -> str:
    """Return the next line without the space around it.

    Bytes that are no UTF-8 are replaced: in most locales Python would raise an error that nobody expects.
    """
    return sys.stdin.buffer.readline().decode(errors="replace").strip()
