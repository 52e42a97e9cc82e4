# SPDX-License-Identifier: MIT
"""Notify: how long work says what it is doing, without knowing who listens."""

from collections.abc import Callable

ProgressCallback = Callable[[str], None]  # is told each stage as it begins


def ignore_progress(text: str) -> None:
    """Tell nobody."""
