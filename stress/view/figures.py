# SPDX-License-Identifier: MIT
"""The figures of a run: which there are, by file name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from stress.analysis.summary import Findings
from stress.view.timeline import timeline


def figures(found: Findings) -> dict[str, Callable[[Path], None]]:
    """Return for each figure of a run its file name and the function that draws it to a path."""
    return {"timeline.png": partial(timeline, found)}
