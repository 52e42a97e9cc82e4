# SPDX-License-Identifier: MIT
"""The file of metrics that node_exporter's textfile collector reads: complete and ours, or absent."""

from contextlib import suppress
from pathlib import Path

from stress.model.errors import UsageError
from stress.view.export.destination import output_file

SUFFIX = ".prom"  # the collector reads no other files
FIRST_WORDS = b"# HELP connstorm_"


def check_place(path: Path) -> None:
    """Raise where a file of metrics would not be read, or would replace another file.

    Raises:
        UsageError: it is so.
    """
    if path.suffix != SUFFIX:
        raise UsageError(f"{path} does not end in {SUFFIX}, and node_exporter reads no other file; give it that name.")
    if path.exists() and not is_ours(path):
        raise UsageError(f"{path} exists and was not written by connstorm; choose another name, or remove it.")


def is_ours(path: Path) -> bool:
    """Return whether a file is one of our metrics, or empty."""
    if not path.is_file():  # a FIFO would be waited for
        return False
    with suppress(OSError), path.open("rb") as stream:
        return stream.read(len(FIRST_WORDS)) in (FIRST_WORDS, b"")
    return False


def write(path: Path, text: bytes) -> None:
    """Write the file; node_exporter, which is another user, may read it as the umask has it.

    Raises:
        StoreError: it could not be written.
    """
    with output_file(path) as stream:
        stream.write(text)


def remove(path: Path) -> None:
    """Remove a file of an earlier look, if there is one."""
    if is_ours(path):
        with suppress(OSError):
            path.unlink()
