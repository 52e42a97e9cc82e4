# SPDX-License-Identifier: MIT
"""Notify: how long work says what it is doing, without knowing who listens."""

from collections.abc import Callable

Notify = Callable[[str], None]  # is told each stage as it begins


def silent(text: str) -> None:
    """Tell nobody."""
