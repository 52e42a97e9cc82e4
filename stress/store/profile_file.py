# SPDX-License-Identifier: MIT
"""The stacks of a profiled run, as folded text in its folder."""

from pathlib import Path

from stress.model.errors import UsageError
from stress.model.profile import Stacks, folded_text, parse_folded
from stress.store.run_folder import check_hash, read_hashes

NAME = "profile.folded"


def write(path: Path, stacks: Stacks) -> None:
    """Write stacks to a file."""
    path.write_text(folded_text(stacks), "utf-8")


def read(folder: Path) -> Stacks:
    """Return the stacks of a run folder; none where it was not profiled, or perf failed.

    Raises:
        UsageError: it is not a run folder, or the file is missing, changed, or no folded text.
    """
    path = folder / NAME
    files = read_hashes(folder)
    if NAME not in files:
        return {}
    check_hash(path, files[NAME])
    try:
        return parse_folded(path.read_text("utf-8"))
    except ValueError as error:
        raise UsageError(f"{path}: {error}.") from error
