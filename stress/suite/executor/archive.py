# SPDX-License-Identifier: MIT
"""A run folder as a tar archive, sent from the host that wrote it; it is unpacked completely or not at all.

What another host sends is read with limits: how many files, how they are called, how much in all. Only plain headers
are read, in blocks of 512 bytes (POSIX.1-1988 ustar): extended ones could be of any size, and a sparse file needs no
bytes to fill a disk.
"""

import re
import tarfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from stress.model import atomic
from stress.model.errors import LabError, StoreError, UsageError
from stress.model.plan import Plan
from stress.store import run_folder
from stress.storm.check.address_rules import PORT_MAX
from stress.storm.check.plan_rules import attempt_count
from stress.storm.ports import PortRange
from stress.suite.executor.base import Job

READABLE = 0o644
CHUNK_BYTES = 1 << 20
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
FILES_MAX = 64  # a run folder with all figures has some twenty
EXTENDED_MAX_BYTES = 1 << 16  # of a header that is skipped: the time of a file, which nobody needs
ATTEMPT_BYTES = 512  # more than all that is stored of an attempt
OTHER_BYTES = 256 << 20  # mines, figures and the rest


class Readable(Protocol):
    """A stream that an archive is read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, none at the end."""


class ArchiveError(Exception):
    """What another host sends is no archive of a run folder; the text says why, without a full stop."""


def pack_run_folder(path: Path, stream: IO[bytes]) -> None:
    """Write the files of a run folder to a stream; a run folder has no folders inside."""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        for file in sorted(path.iterdir()):
            tar.add(file, file.name, recursive=False, filter=without_owner)


def without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member without the owner, mode and time that it has on its host."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = READABLE
    return member


def archive_limit_bytes(plan: Plan) -> int:
    """Return what the files of a plan's run folder can have together, generously."""
    every_port = PortRange(1, PORT_MAX, np.arange(1, PORT_MAX + 1, dtype=np.uint16))
    return OTHER_BYTES + ATTEMPT_BYTES * sum(attempt_count(act, every_port) for act in plan.storms().values())


def unpack_for(job: Job, stream: Readable, name: str) -> Path:
    """Unpack the run folder of a job where it belongs; as ``unpack``."""
    return unpack(stream, name, job.folder, archive_limit_bytes(job.plan))


def unpack(stream: Readable, name: str, results: Path, limit_bytes: int) -> Path:
    """Unpack a stream as the run folder ``name`` under ``results``, completely or not at all; return its path.

    Args:
        stream: as ``pack_run_folder`` wrote it.
        name: of the run folder.
        results: where it will be.
        limit_bytes: what its files may have together.

    Raises:
        LabError: the archive is no run folder, is too large, or is not complete.
        StoreError: it cannot be written here.
    """
    if not NAME.fullmatch(name):
        raise LabError(f"The archive is called {name[:80]!r}, which is no name of a run folder; nothing was stored.")
    final = results / name
    with ExitStack() as until_done:
        staging = make_staging(until_done, final)
        try:
            unpack_files(stream, staging, limit_bytes)
            run_folder.read(staging)  # checks the hashes that run.json has of the arrays
        except ArchiveError as error:
            raise LabError(f"The archive {name} {error}; nothing was stored.") from error
        except StoreError:
            raise
        except UsageError as error:
            raise LabError(f"The archive {name} is no complete run folder: {error} Nothing was stored.") from error
        try:
            return atomic.finish_folder(final)
        except OSError as error:
            raise StoreError(f"{final} could not be made: {error.strerror}; free some space.") from error


def make_staging(until_done: ExitStack, final: Path) -> Path:
    """Return a folder to unpack into; that it cannot be made is a fault of this host, not of the other one.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        return until_done.enter_context(atomic.open_partial(final))
    except OSError as error:
        raise StoreError(f"{final} could not be made: {error.strerror}; free some space.") from error


def unpack_files(stream: Readable, staging: Path, limit_bytes: int) -> None:
    """Write the files of an archive into an empty folder.

    Raises:
        ArchiveError: it is cut short, has what no run folder has, or more of it than may be.
        StoreError: a file cannot be written here.
    """
    left_bytes, files, extended = limit_bytes, 0, 0
    while (member := read_header(stream)) is not None:
        if member.type == tarfile.XHDTYPE and member.size <= EXTENDED_MAX_BYTES and extended < FILES_MAX:
            extended += 1
            copy_content(stream, member.size, None)
            continue
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or not NAME.fullmatch(member.name):
            raise ArchiveError(f"has {member.name[:80]!r}, which no run folder has")
        files, left_bytes = files + 1, left_bytes - member.size
        if files > FILES_MAX:
            raise ArchiveError(f"has more than {FILES_MAX} files")
        if left_bytes < 0:
            raise ArchiveError(f"has more than {limit_bytes >> 20:,} MiB, which this plan cannot have")
        copy_content(stream, member.size, staging / member.name)


def read_header(stream: Readable) -> tarfile.TarInfo | None:
    """Return the next header, or None at the block of zeros that ends an archive.

    Raises:
        ArchiveError: it is damaged, or the stream ends before it.
    """
    block = read_exactly(stream, tarfile.BLOCKSIZE)
    if not any(block):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise ArchiveError(f"is damaged: {error}") from error


def copy_content(stream: Readable, size: int, target: Path | None) -> None:
    """Write what follows a header to a file, or nowhere, and skip what fills its last block.

    Raises:
        ArchiveError: the stream ends before.
        StoreError: the file cannot be written here.
    """
    file = None if target is None else open_target(target)
    left = size
    try:
        while left:
            data = read_exactly(stream, min(left, CHUNK_BYTES))
            left -= len(data)
            if file is not None and target is not None:
                write_all(file, data, target)
    finally:
        if file is not None:
            file.close()
    read_exactly(stream, -size % tarfile.BLOCKSIZE)


def read_exactly(stream: Readable, size: int) -> bytes:
    """Read so many bytes.

    Raises:
        ArchiveError: there are fewer.
    """
    parts = []
    while size:
        data = stream.read(size)
        if not data:
            raise ArchiveError("is cut short")
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def open_target(target: Path) -> IO[bytes]:
    """Make a file.

    Raises:
        ArchiveError: the archive has had it already.
        StoreError: it cannot be made here.
    """
    try:
        return target.open("xb", buffering=0)
    except FileExistsError as error:
        raise ArchiveError(f"has {target.name!r} twice") from error
    except OSError as error:
        raise StoreError(f"{target} could not be made: {error.strerror}; free some space.") from error


def write_all(stream: IO[bytes], data: bytes, target: Path) -> None:
    """Write all of some bytes; errors of the disk here are not those of the connection that they came by."""
    left = memoryview(data)
    try:
        while left:
            left = left[stream.write(left) :]
    except OSError as error:
        raise StoreError(f"{target} could not be written: {error.strerror}; free some space.") from error
