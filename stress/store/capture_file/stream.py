# SPDX-License-Identifier: MIT
"""The bytes of a capture file, piece by piece, uncompressed when it is compressed by gzip."""

import gzip
import stat
import zlib
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Self

from stress.model.errors import UsageError

PIECE_BYTES = 8 << 20  # some 100,000 packets of which only headers were stored
HEAD_BYTES = 8
HEADER_BYTES = 28  # of a pcapng file; that of a pcap file has 24
GZIP = b"\x1f\x8b"
# Nobody's captures of more than a test are compressed so: a sentence costs less than what a damaged file may ask for
# (a dictionary of 4 GiB by xz).
COMPRESSED = {b"\xfd7zXZ\0": "xz -dk", b"\x28\xb5\x2f\xfd": "zstd -dk", b"BZh": "bzip2 -dk", b"PK\3\4": "unzip"}


class CaptureStream:
    """A capture file opened for reading. A context manager.

    Attributes:
        name: of the file, for messages.
        is_compressed: by gzip.
        is_cut: its compressed data ends before their end.
        piece_bytes: how much is read at once.
    """

    piece_bytes = PIECE_BYTES

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            UsageError: it is missing, no regular file, empty, unreadable, or compressed by something else than gzip.
        """
        self.name = str(path)
        self.is_cut = False
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise UsageError(
                    f"{self.name} is no regular file, and a capture is read twice: write it to a file first."
                )
            raw = path.open("rb")
            head = raw.read(HEAD_BYTES)
            raw.seek(0)
        except OSError as error:
            raise UsageError(f"{self.name} cannot be read: {error.strerror}.") from error
        self.raw = raw
        self.is_compressed = head.startswith(GZIP)
        self.file: BufferedReader | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if self.is_compressed else raw
        for magic, command in COMPRESSED.items():
            if head.startswith(magic):
                raw.close()
                raise UsageError(f"{self.name} is compressed: uncompress it first, with `{command} {self.name}`.")

    def read_piece(self, size: int | None = None) -> bytes:
        """Return the next bytes: fewer than ``size`` only at the end of the file.

        Args:
            size: how many; by default a piece.

        Raises:
            UsageError: the file cannot be read or uncompressed any further.
        """
        parts = []
        size = self.piece_bytes if size is None else size
        while size > 0 and not self.is_cut:
            try:
                part = self.file.read1(size)
            except EOFError:  # the rest is missing; what came before is as good as in an uncompressed file
                self.is_cut = True
                break
            except (gzip.BadGzipFile, zlib.error) as error:
                raise UsageError(f"{self.name} is damaged: gzip says {error}; copy it again.") from error
            except OSError as error:
                raise UsageError(f"{self.name} cannot be read: {error.strerror}.") from error
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def damage(self, at: int, what: str) -> UsageError:
        """Return the error about a damaged place.

        Args:
            at: its offset from the beginning of the (uncompressed) file.
            what: is wrong there, in words.
        """
        command = f"zcat {self.name} | head -c {at}" if self.is_compressed else f"head -c {at} {self.name}"
        where = f"at byte {at:,}{' of its uncompressed data' if self.is_compressed else ''}"
        advice = f"what is before it can be read after `{command} > intact.pcap`"
        if at <= HEADER_BYTES:
            advice = "no packet is before it, so copy the file again"
        return UsageError(f"{self.name} is damaged: {where} {what}; {advice}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        self.raw.close()
