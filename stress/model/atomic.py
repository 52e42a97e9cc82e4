# SPDX-License-Identifier: MIT
"""Files and folders that are complete or absent: written under another name, flushed to the disk, then renamed.

What goes wrong is an OSError; each caller turns it into a sentence about its own file.
"""

import fcntl
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO


@contextmanager
def open_file(path: Path, partial: Path | None = None) -> Iterator[IO[bytes]]:
    """Give a stream whose content becomes the file ``path`` when the context ends without an exception.

    Args:
        path: the file; an older one is replaced.
        partial: where it is written first, in the same folder; by default a hidden name that the next writer uses too,
            so that what a killed process left is replaced. Give another one where two processes may write at once.

    Raises:
        OSError: the file cannot be written; an older one is unchanged.
    """
    partial = partial or partial_path(path)
    partial.unlink(missing_ok=True)
    try:
        with partial.open("xb") as stream:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:  # of write(2), which knows no names
        error.filename = error.filename or str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)
    flush_folder(path.parent)


def write(path: Path, data: bytes, partial: Path | None = None) -> None:
    """Write a whole file; arguments and exceptions as those of ``open_file``."""
    with open_file(path, partial) as stream:
        stream.write(data)


def partial_path(path: Path) -> Path:
    """Return the name under which the file or folder ``path`` is written."""
    return path.with_name(f".{path.name}.partial")


def own_partial_path(path: Path) -> Path:
    """Return such a name of this process alone, for a file that two may write at once; remove those of killed ones."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        with suppress(OSError), left.open("rb") as stream:  # of one that is writing: locked
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


@contextmanager
def open_folder(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Give an empty folder that becomes the folder ``path`` when the context ends without an exception.

    Args:
        path: the folder; its parents are made.
        flush: whether its files are on the disk before it is renamed; False where they can be fetched again.

    Raises:
        OSError: the folder cannot be written, or there is one with files already.
    """
    with open_partial(path) as partial:
        yield partial
        finish_folder(path, flush=flush)


@contextmanager
def open_partial(path: Path) -> Iterator[Path]:
    """Give an empty folder with the name ``partial_path(path)``, which is locked and is gone when the context ends.

    Raises:
        OSError: the folder cannot be made.
    """
    partial = partial_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, partial, ignore_errors=True)
        with lock_folder(path.parent):
            shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
            partial.mkdir()
            stack.enter_context(lock_folder(partial))
        yield partial


@contextmanager
def lock_folder(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a folder (flock(2)), which the kernel releases when the process is killed.

    Raises:
        OSError: there is no such folder, or its file system has no locks; BlockingIOError: another process holds the
            lock, and this one shall not ``wait``.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def remove_abandoned(folder: Path) -> None:
    """Remove the partial folders whose processes were killed; those that are being written are locked, and stay."""
    with suppress(OSError), lock_folder(folder):
        for partial in folder.glob(".*.partial"):
            with suppress(OSError), lock_folder(partial, wait=False):
                shutil.rmtree(partial, ignore_errors=True)


def finish_folder(path: Path, *, flush: bool = True) -> Path:
    """Give the folder that was filled under the name ``partial_path(path)`` its own name, and return that."""
    partial = partial_path(path)
    if flush:
        for file in partial.rglob("*"):
            if file.is_dir():
                flush_folder(file)
            else:
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
        flush_folder(partial)
    partial.rename(path)
    flush_folder(path.parent)
    return path


def flush_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, where its file system can do that."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
