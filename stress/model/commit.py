# SPDX-License-Identifier: MIT
"""A commit of the program as it is stored: its hash, and a ``+`` where the program's files were not those of it."""

import re

CHANGED = "+"
COMMIT = re.compile(r"([0-9a-f]{7,40})(\+?)")
SHOWN_DIGITS = 9


def valid_commit(text: str) -> str:
    """Return a commit as it is stored; "" for what is none."""
    return text if COMMIT.fullmatch(text) else ""


def short_commit(commit: str) -> str:
    """Return a commit with as many digits as tell it from others: ``'1a2b3c4d5+'``; "" for what is none."""
    match = COMMIT.fullmatch(commit)
    return f"{match[1][:SHOWN_DIGITS]}{match[2]}" if match else ""
