# SPDX-License-Identifier: MIT
"""The journal of sysctls that are changed on this host: a file that survives the process that changed them.

It is in /var/lib/connstorm, or in the folder that the environment variable CONNSTORM_STATE names.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from stress.lab import wait
from stress.lab.host import boot_id
from stress.model import atomic
from stress.model.errors import LabError
from stress.model.json_text import decode_json

FOLDER = "/var/lib/connstorm"
FOLDER_VARIABLE = "CONNSTORM_STATE"
LOCK_LIMIT_S = 5.0  # the lock is held for some milliseconds
RESTORE = "connstorm doctor --restore"
STATE, START = 0, 19  # fields of /proc/PID/stat after the name; proc(5) counts them as 3 and 22


class Journal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which sysctls are changed, by which process and where: enough to restore them after that process."""

    pid: int
    started: int  # start time of the process in clock ticks after boot, as process numbers are reused
    boot: str
    network: int  # inode of the network namespace
    written_utc: Annotated[datetime, msgspec.Meta(tz=True)]
    old: dict[str, str]
    new: dict[str, str]

    def __post_init__(self) -> None:
        if self.old.keys() != self.new.keys():
            raise ValueError("the old and the new values are of different sysctls")

    @property
    def is_of_this_boot(self) -> bool:
        """Whether it was written after the last boot, so that its values can still be set."""
        return self.boot == boot_id()

    @property
    def is_process_alive(self) -> bool:
        """Whether its process still runs and will restore the sysctls."""
        return self.is_of_this_boot and process_start(self.pid) == self.started

    @property
    def text(self) -> str:
        """The process and the time of the change, as text."""
        return f"process {self.pid} (at {self.written_utc:%Y-%m-%d %H:%M:%S} UTC)"


def plan_journal(old: dict[str, str], new: dict[str, str]) -> Journal:
    """Return the journal of sysctls that this process is going to change here."""
    return Journal(
        pid=os.getpid(),
        started=process_start(os.getpid()) or 0,
        boot=boot_id(),
        network=network_inode(),
        written_utc=datetime.now(UTC),
        old=old,
        new=new,
    )


def journal_folder() -> Path:
    """Return the folder of the journal."""
    return Path(os.environ.get(FOLDER_VARIABLE) or FOLDER)


def journal_file() -> Path:
    """Return the path of the journal."""
    return journal_folder() / "journal.json"


def unfinished_file() -> Path:
    """Return the path at which the journal is written before it has its name."""
    return journal_file().with_suffix(".new")


def remove_unfinished() -> None:
    """Remove what a process left that was killed while it wrote the journal: it had changed nothing yet.

    Raises:
        LabError: the folder stays locked.
    """
    with suppress(OSError), lock_folder():
        unfinished_file().unlink(missing_ok=True)


def read_journal() -> Journal | None:
    """Read the journal; return None if there is none.

    Raises:
        LabError: it cannot be read.
    """
    try:
        return decode_json(journal_file().read_bytes(), Journal)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LabError(f"{journal_file()} cannot be read: {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise LabError(
            f"{journal_file()} is damaged ({error}), so it is not known which sysctls of this host are still "
            "modified; check them yourself, then remove it."
        ) from error


def write_journal(journal: Journal) -> None:
    """Write the journal atomically, and wait until it is on the disk.

    Raises:
        LabError: it cannot be written, or there is one already.
    """
    try:
        journal_folder().mkdir(parents=True, exist_ok=True)
        with lock_folder():
            check_no_journal()
            atomic.write(journal_file(), msgspec.json.format(msgspec.json.encode(journal)), unfinished_file())
    except OSError as error:
        raise LabError(
            f"The journal of sysctls cannot be written to {journal_folder()}: {error.strerror}. {FOLDER_VARIABLE} "
            "names another folder."
        ) from error


def remove_journal(journal: Journal) -> None:
    """Remove the journal, unless it is the journal of another process.

    Raises:
        LabError: it cannot be removed.
    """
    try:
        with lock_folder():
            if read_journal() == journal:
                journal_file().unlink()
    except FileNotFoundError:
        return  # somebody removed the folder
    except OSError as error:
        raise LabError(f"{journal_file()} is no longer needed, but cannot be removed: {error.strerror}.") from error


@contextmanager
def lock_folder() -> Iterator[None]:
    """Lock the folder against other processes."""
    descriptor = os.open(journal_folder(), os.O_RDONLY | os.O_DIRECTORY)

    def try_lock() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        if not wait.wait_until(try_lock, LOCK_LIMIT_S):
            raise LabError(
                f"{journal_folder()} has been locked by another process for {LOCK_LIMIT_S:g} s; check that process."
            )
        yield
    finally:
        os.close(descriptor)


def check_no_journal() -> None:
    """Raise LabError if there is a journal already."""
    journal = read_journal()
    if journal is None:
        return
    if journal.is_process_alive:
        raise LabError(f"Sysctls of this host are changed already, by {journal.text}; wait until it has ended.")
    raise LabError(f"Sysctls of this host are still modified by {journal.text}; restore them first: {RESTORE}.")


def network_inode() -> int:
    """Return the inode of this process's network namespace."""
    return Path("/proc/self/ns/net").stat().st_ino


def process_start(pid: int) -> int | None:
    """Return the start time of a process in clock ticks after boot, or None if it does not exist or is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:  # no such process, or it ended while its file was read
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[STATE] in "ZX" else int(fields[START])
