# SPDX-License-Identifier: MIT
"""The progress callback: how long operations report what they are doing."""

from collections.abc import Callable

ProgressCallback = Callable[[str], None]  # called with a text when each stage begins


def ignore_progress(text: str) -> None:
    """Ignore a progress text: the callback for callers that show no progress."""
