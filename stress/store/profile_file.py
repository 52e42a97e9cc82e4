# SPDX-License-Identifier: MIT
"""The stacks of a profiled run, as folded text in its folder."""

from pathlib import Path

from stress.model.errors import UsageError
from stress.model.profile import CLIENT, HEAD, SERVER, ProfileReport, Stacks, folded_text, parse_folded
from stress.model.units import SECOND_NS
from stress.store.run_folder import check_hash, read_document
from stress.store.run_schema import RunFile

NAME = "profile.folded"
ATTEMPT_MAX_NS = 3600 * SECOND_NS  # of CPU time for an attempt: more than any has


def write(path: Path, stacks: Stacks) -> None:
    """Write stacks to a file."""
    path.write_text(folded_text(stacks), "utf-8")


def read(folder: Path) -> Stacks:
    """Return the stacks of a run folder; none where it was not profiled, or perf failed.

    Raises:
        UsageError: it is not a run folder, or the file is missing, changed, or no folded text.
    """
    path = folder / NAME
    document = read_document(folder)
    if NAME not in document.files:
        return {}
    check_hash(path, document.files[NAME])
    try:
        stacks = parse_folded(path.read_text("utf-8"))
    except ValueError as error:
        raise UsageError(f"{path}: {error}; it is damaged.") from error
    refuse_excess(path, document, stacks)
    return stacks


def refuse_excess(path: Path, document: RunFile, stacks: Stacks) -> None:
    """Raise UsageError where the samples of a storm are more CPU time than its attempts can have taken."""
    if not isinstance(document.profiled, ProfileReport):
        return
    for act in document.acts:
        of_act = ((stack, count) for stack, count in stacks.items() if stack[0] == act.name)
        samples = sum(count for stack, count in of_act if stack[HEAD - 1] in {CLIENT, SERVER})
        if samples * document.profiled.period_ns > ATTEMPT_MAX_NS * max(act.attempts, 1):
            raise UsageError(
                f"{path} has {samples:,} samples of client and server in {act.name}, more than an hour for each of "
                f"{act.attempts:,} attempts; it is damaged."
            )
