# SPDX-License-Identifier: MIT
"""Folded stacks, of which FlameGraph, inferno and others draw flame graphs."""

from collections.abc import Sequence
from typing import IO

from stress.model.profile import folded_text
from stress.view.export.format import Format
from stress.view.export.profiled_run import ProfiledRun


def write(runs: Sequence[ProfiledRun], stream: IO[bytes]) -> None:
    """Write the stacks of runs with their numbers of samples; those of several runs stand on the name of the run."""
    for run in runs:
        below = (run.name,) if len(runs) > 1 else ()
        stream.write(folded_text({(*below, *stack): count for stack, count in run.stacks.items()}).encode())


FORMATS = {
    "flamegraph": Format(".folded", "stacks of profiled runs, one per line", profile=write, separates=True, position=11)
}
