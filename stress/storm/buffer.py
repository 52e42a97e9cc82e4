# SPDX-License-Identifier: MIT
"""The buffer of a storm's records: shared memory, or a file when there are many."""

import errno
import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from stress.model.attempt import ATTEMPT, USE
from stress.model.errors import StoreError
from stress.model.plan import Plan

IN_MEMORY_BYTES = 256 << 20  # 8 million attempts
OTHER_BYTES = 4 << 20  # of a run folder, without its arrays of attempts
NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def allocate_blocks(descriptor: int, size: int, attempts: int, folder: Path) -> None:
    """Allocate the blocks of a file.

    Raises:
        StoreError: there is not enough room on the disk.
    """
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        if error.errno == errno.EFBIG:
            raise StoreError(
                f"{attempts:,} records need {-(-size >> 20):,} MiB in a file of {folder}, which is larger than a file "
                "may be (ulimit -f, or the file system's limit); raise it, or make fewer attempts."
            ) from error
        space = os.statvfs(folder)
        free_bytes = space.f_bavail * space.f_frsize
        raise StoreError(
            f"{attempts:,} records need {-(-size >> 20):,} MiB in {folder}, where {free_bytes >> 20:,} are free "
            f"({error.strerror}); make room, choose another folder with --output, or make fewer attempts."
        ) from error


class Reserve:
    """Room on the disk for what a storm will store, taken before it begins.

    It is a file without a name, so that nothing is left of it whatever happens.
    """

    def __init__(self, plan: Plan, attempts: int, folder: Path | None) -> None:
        """Take it, in a folder; None: nothing will be stored.

        Raises:
            StoreError: there is not enough.
        """
        self.descriptor = -1
        if folder is None:
            return
        copies = 2 if plan.workers > 1 else 1  # records of several workers are put in order before they are stored
        size = copies * attempts * (ATTEMPT.itemsize + plan.use * USE.itemsize)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # it is closed below
        except OSError as error:
            raise StoreError(
                f"Results cannot be written to {folder}: {error.strerror}; choose a folder with --output."
            ) from error
        with file:
            allocate_blocks(file.fileno(), size + OTHER_BYTES, attempts, folder)
            self.descriptor = os.dup(file.fileno())

    def release(self) -> None:
        """Give it back, so that it can be written to."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Buffer:
    """Records that this process shares with its workers.

    Attributes:
        records: shape (attempts,), all 0.
        descriptor: of the memory or the file, for workers to map.
        in_file: whether the pages come from a file.
    """

    def __init__(self, attempts: int, folder: Path | None, dtype: np.dtype[Any] = ATTEMPT) -> None:
        """Allocate the records: in memory or, when they exceed IN_MEMORY_BYTES and there is a folder, in a file there.

        The file has no name, so that nothing is left of it whatever happens. Its blocks are allocated before the
        storm, so that a disk which is too small is an error here and not a SIGBUS later. Its pages are not: the engine
        faults each in outside its timestamps.

        Args:
            attempts: how many records.
            folder: of the file; None allows memory only.
            dtype: of a record.

        Raises:
            StoreError: there is not enough room on the disk.
        """
        size = max(attempts * dtype.itemsize, 1)
        self.in_file = folder is not None and size > IN_MEMORY_BYTES
        if self.in_file:
            assert folder is not None
            with tempfile.TemporaryFile(dir=folder) as file:
                self.descriptor = os.dup(file.fileno())
            try:
                allocate_blocks(self.descriptor, size, attempts, folder)
            except StoreError:
                os.close(self.descriptor)
                raise
        else:
            self.descriptor = os.memfd_create("connstorm-records")
            os.ftruncate(self.descriptor, size)
        self.map = mmap.mmap(self.descriptor, size)
        self.records = np.frombuffer(self.map, dtype, attempts)

    def prefault(self) -> None:
        """Map every page of memory into this process, so that the storm does not have to."""
        if not self.in_file:
            self.records.view(np.uint8)[:] = 0

    def close(self) -> None:
        """Close the descriptor; the records stay mapped as long as they are used."""
        os.close(self.descriptor)
