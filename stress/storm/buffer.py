# SPDX-License-Identifier: MIT
"""The buffer of a storm's records: shared memory, or a file when there are many."""

import errno
import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from stress.model.attempt import ATTEMPT
from stress.model.errors import UsageError

IN_MEMORY_BYTES = 256 << 20  # 8 million attempts


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
            UsageError: there is not enough room on the disk.
        """
        size = max(attempts * dtype.itemsize, 1)
        self.in_file = folder is not None and size > IN_MEMORY_BYTES
        if self.in_file:
            assert folder is not None
            with tempfile.TemporaryFile(dir=folder) as file:
                self.descriptor = os.dup(file.fileno())
            try:
                os.posix_fallocate(self.descriptor, 0, size)
            except OSError as error:
                os.close(self.descriptor)
                if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
                    raise
                raise UsageError(
                    f"{attempts:,} records need {size >> 20:,} MiB in {folder}, which has less; "
                    "make room, choose another folder with --output, or make fewer attempts."
                ) from error
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
