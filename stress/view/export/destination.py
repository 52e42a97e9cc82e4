# SPDX-License-Identifier: MIT
"""Files of exports, each complete or absent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from stress.model import atomic
from stress.model.errors import StoreError


@contextmanager
def output_file(path: Path) -> Iterator[IO[bytes]]:
    """Give a stream whose content becomes the file ``path`` at the end; it is written under another name and renamed.

    Raises:
        StoreError: the folder does not exist, cannot be written to, or the disk is full.
    """
    partial = atomic.own_partial_path(path)  # two exports may write the same file at once
    try:
        with atomic.open_file(path, partial) as stream:
            yield stream
    except OSError as error:
        raise StoreError(f"{path} could not be written: {error.strerror or error}, and nothing was stored.") from error


def make_folder(path: Path) -> None:
    """Make a folder for several files if it does not exist.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The folder {path} cannot be made: {error.strerror}; choose another with -o.") from error
