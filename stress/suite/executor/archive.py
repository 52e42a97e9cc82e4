# SPDX-License-Identifier: MIT
"""A parcel: a run folder as a tar stream, on its way from the host where it was made; unpacked complete or absent."""

import shutil
import tarfile
from pathlib import Path
from typing import IO, Protocol

from stress.model import atomic
from stress.model.errors import LabError, StoreError, UsageError
from stress.store import run_folder

READABLE = 0o644
CHUNK_BYTES = 1 << 20


class Readable(Protocol):
    """What a parcel is read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none at the end."""


def pack(path: Path, stream: IO[bytes]) -> None:
    """Write the files of a run folder to a stream; a run folder has no folders inside."""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(path.iterdir()):
            tar.add(file, file.name, recursive=False, filter=without_owner)


def without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member without what is only of the host that it comes from: owner and mode."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = READABLE
    return member


def unpack(stream: Readable, name: str, results: Path) -> Path:
    """Make the run folder ``name`` under ``results`` of a stream, complete or not at all; return its path.

    Args:
        stream: as ``pack`` wrote it.
        name: of the run folder.
        results: where it will be.

    Raises:
        LabError: what came is no run folder, or not all of it came.
        StoreError: it cannot be written.
    """
    if not is_plain_name(name):
        raise LabError(f"What came back is called {name!r}, which is no name of a run folder; nothing was kept.")
    staging = atomic.partial_folder(results / name)
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]  # it only reads
            for member in tar:
                extract_member(tar, member, staging)
        run_folder.read(staging)  # checks the hashes that run.json has of the arrays
        return rename_complete(results / name)
    except (tarfile.TarError, EOFError) as error:
        raise LabError(f"What came back as {name} is cut short or damaged: {error}; nothing was kept.") from error
    except UsageError as error:
        raise LabError(f"What came back as {name} is no complete run folder: {error} Nothing was kept.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def is_plain_name(name: str) -> bool:
    """Return whether a name is that of a file or folder, and leads nowhere else."""
    return bool(name) and name == Path(name).name and not name.startswith(".")


def rename_complete(final: Path) -> Path:
    """Give a folder that is complete its name."""
    try:
        return atomic.finish_folder(final)
    except OSError as error:
        raise StoreError(f"{final} could not be made: {error.strerror}.") from error


def extract_member(tar: tarfile.TarFile, member: tarfile.TarInfo, staging: Path) -> None:
    """Write one member, which must be a plain file beside the others: a host must not write elsewhere here."""
    content = tar.extractfile(member) if member.isreg() else None
    if content is None or not is_plain_name(member.name):
        raise LabError(f"What came back holds {member.name!r}, which belongs into no run folder; nothing was kept.")
    target = staging / member.name
    try:
        stream = target.open("xb", buffering=0)
    except OSError as error:
        raise StoreError(f"{target} could not be made: {error.strerror}; make room.") from error
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
        raise StoreError(f"{target} could not be written: {error.strerror}; make room.") from error
