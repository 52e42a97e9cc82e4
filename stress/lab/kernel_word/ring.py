# SPDX-License-Identifier: MIT
"""The kernel's ring buffer for BPF programs, read through shared memory (kernel/bpf/ringbuf.c).

A page with the reader's position, a page with the writer's, then the data, mapped twice in a row, so that no record is
broken in two. Before each record: its length with two flags, and a number that is the kernel's own.
"""

import mmap
import os
import struct

from stress.lab.kernel_word import bpf

POSITION = struct.Struct("=Q")
HEADER_BYTES = 8
BUSY = 1 << 31  # in the length: the record is still being written


class Ring:
    """A ring buffer whose records all have the same size, a multiple of 8 bytes."""

    def __init__(self, size: int, record_bytes: int) -> None:
        """Make a ring.

        Args:
            size: bytes, a power of two and a multiple of the page size.
            record_bytes: size of a record.

        Raises:
            OSError: the kernel refuses.
        """
        self.size = size
        self.stride = HEADER_BYTES + record_bytes
        self.fd = bpf.create_map(bpf.MAP_RING, 0, 0, size)
        try:
            self.consumer = mmap.mmap(self.fd, mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            self.producer = mmap.mmap(
                self.fd, mmap.PAGESIZE + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=mmap.PAGESIZE
            )
        except OSError:
            os.close(self.fd)
            raise

    def take(self) -> bytes:
        """Return the records that are complete, each after its header, and make room for others."""
        (begin,) = POSITION.unpack_from(self.consumer)
        (end,) = POSITION.unpack_from(self.producer)
        first = mmap.PAGESIZE + (begin & (self.size - 1))
        # The headers before the records: what a header says is complete had been written when the header was read.
        with memoryview(self.producer[first : first + end - begin]).cast("I") as words:
            lengths = words[:: self.stride // 4].tolist()
        complete = next((index for index, length in enumerate(lengths) if length & BUSY), len(lengths))
        records = self.producer[first : first + complete * self.stride]
        POSITION.pack_into(self.consumer, 0, begin + len(records))
        return records

    def close(self) -> None:
        """Unmap and close the ring."""
        self.consumer.close()
        self.producer.close()
        os.close(self.fd)
