# SPDX-License-Identifier: MIT
"""The buffer of a storm's records: shared memory, or a file when they are many."""

import errno
import mmap
import os
import tempfile
from pathlib import Path

import numpy as np

from stress.model.attempt import ATTEMPT
from stress.model.errors import UsageError

IN_MEMORY_BYTES = 256 << 20  # 8 million attempts


class Buffer:
    """Records that this process and its workers see.

    Attributes:
        records: shape (attempts,), dtype ATTEMPT.
        descriptor: of the memory or the file, for workers to map.
        in_file: whether the pages come from a file.
    """

    def __init__(self, attempts: int, folder: Path | None) -> None:
        """Make room; in ``folder``, when it does not fit IN_MEMORY_BYTES and there is one.

        The file has no name, so that nothing is left of it whatever happens. Its blocks are there before the storm: a
        disk that is too small is not found out by a signal in the middle. Its pages are not: the engine faults each
        in outside its stamps.

        Raises:
            UsageError: the disk has not enough room.
        """
        size = max(attempts * ATTEMPT.itemsize, 1)
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
                    f"{attempts:,} records need {size >> 20:,} MiB in {folder}, which has not so much room; "
                    "make room, choose another folder with --output, or make fewer attempts."
                ) from error
        else:
            self.descriptor = os.memfd_create("connstorm-records")
            os.ftruncate(self.descriptor, size)
        self.map = mmap.mmap(self.descriptor, size)
        self.records = np.frombuffer(self.map, ATTEMPT, attempts)

    def prefault(self) -> None:
        """Map every page of memory into this process, so that the storm does not have to."""
        if not self.in_file:
            self.records.view(np.uint8)[:] = 0

    def close(self) -> None:
        """Let go of the descriptor; the records stay as long as they are used."""
        os.close(self.descriptor)
