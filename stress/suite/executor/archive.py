# SPDX-License-Identifier: MIT
"""A run folder as a tar archive, sent from the host that wrote it; it is unpacked completely or not at all."""

import tarfile
from pathlib import Path
from typing import IO, Protocol

from stress.model import atomic
from stress.model.errors import LabError, StoreError, UsageError
from stress.store import run_folder

READABLE = 0o644
CHUNK_BYTES = 1 << 20


class Readable(Protocol):
    """A stream that an archive is read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, none at the end."""


def pack_run_folder(path: Path, stream: IO[bytes]) -> None:
    """Write the files of a run folder to a stream; a run folder has no folders inside."""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(path.iterdir()):
            tar.add(file, file.name, recursive=False, filter=without_owner)


def without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member without the owner and mode that it has on its host."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = READABLE
    return member


def unpack(stream: Readable, name: str, results: Path) -> Path:
    """Unpack a stream as the run folder ``name`` under ``results``, completely or not at all; return its path.

    Args:
        stream: as ``pack`` wrote it.
        name: of the run folder.
        results: where it will be.

    Raises:
        LabError: the archive is no run folder, or not complete.
        StoreError: it cannot be written.
    """
    if not is_plain_name(name):
        raise LabError(f"The archive is called {name!r}, which is no name of a run folder; nothing was stored.")
    try:
        with atomic.open_partial(results / name) as staging:
            with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]  # it only reads
                for member in tar:
                    extract_member(tar, member, staging)
            run_folder.read(staging)  # checks the hashes that run.json has of the arrays
            return rename_complete(results / name)
    except (tarfile.TarError, EOFError) as error:
        raise LabError(f"The archive {name} is cut short or damaged: {error}; nothing was stored.") from error
    except UsageError as error:
        raise LabError(f"The archive {name} is no complete run folder: {error} Nothing was stored.") from error


def is_plain_name(name: str) -> bool:
    """Return whether a name is that of a file or folder, without a path."""
    return bool(name) and name == Path(name).name and not name.startswith(".")


def rename_complete(final: Path) -> Path:
    """Rename a complete folder to its final name; return its path."""
    try:
        return atomic.finish_folder(final)
    except OSError as error:
        raise StoreError(f"{final} could not be made: {error.strerror}.") from error


def extract_member(tar: tarfile.TarFile, member: tarfile.TarInfo, staging: Path) -> None:
    """Write one member, which must be a regular file without a path: a host must not choose where it is written."""
    content = tar.extractfile(member) if member.isreg() else None
    if content is None or not is_plain_name(member.name):
        raise LabError(f"The archive has {member.name!r}, which no run folder has; nothing was stored.")
    target = staging / member.name
    try:
        stream = target.open("xb", buffering=0)
    except OSError as error:
        raise StoreError(f"{target} could not be made: {error.strerror}; free some space.") from error
    with stream:
        while data := content.read(CHUNK_BYTES):
            write_all(stream, data, target)


def write_all(stream: IO[bytes], data: bytes, target: Path) -> None:
    """Write all of some bytes; errors of the disk here are not those of the connection that they came by."""
    left = memoryview(data)
    try:
        while left:
            left = left[stream.write(left) :]
    except OSError as error:
        raise StoreError(f"{target} could not be written: {error.strerror}; free some space.") from error
