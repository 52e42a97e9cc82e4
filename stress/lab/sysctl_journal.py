# SPDX-License-Identifier: MIT
"""The journal of what is changed on this host: a file that survives the process that changed it.

It is in /var/lib/connstorm, or in the folder that the environment variable CONNSTORM_STATE names.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from stress.lab import wait
from stress.model import atomic
from stress.model.errors import LabError

FOLDER = "/var/lib/connstorm"
FOLDER_VARIABLE = "CONNSTORM_STATE"
LOCK_LIMIT_S = 5.0  # it is held for some milliseconds
RESTORE = "connstorm doctor --restore"
STATE, START = 0, 19  # fields of /proc/PID/stat after the name; proc(5) counts them as 3 and 22


class Journal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is changed, by which process and where: enough to put it back after that process."""

    pid: int
    started: int  # when the process did, in clock ticks after the boot: a later one with its number is another
    boot: str
    network: int  # inode of the network namespace
    written_utc: Annotated[datetime, msgspec.Meta(tz=True)]
    old: dict[str, str]
    new: dict[str, str]

    def __post_init__(self) -> None:
        if self.old.keys() != self.new.keys():
            raise ValueError("the old and the new values are of different settings")

    @property
    def is_of_this_boot(self) -> bool:
        """Whether its values can still be there."""
        return self.boot == boot_id()

    @property
    def is_process_alive(self) -> bool:
        """Whether its process is still there to put them back."""
        return self.is_of_this_boot and process_start(self.pid) == self.started

    @property
    def text(self) -> str:
        """Who changed something, and when, in words."""
        return f"process {self.pid} (at {self.written_utc:%Y-%m-%d %H:%M:%S} UTC)"


def plan_journal(old: dict[str, str], new: dict[str, str]) -> Journal:
    """Return the journal of what this process is about to change here."""
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
    """Return where the journal is kept."""
    return Path(os.environ.get(FOLDER_VARIABLE) or FOLDER)


def journal_file() -> Path:
    """Return the journal's file."""
    return journal_folder() / "journal.json"


def read_journal() -> Journal | None:
    """Return the journal that is there.

    Raises:
        LabError: it cannot be read.
    """
    try:
        return msgspec.json.decode(journal_file().read_bytes(), type=Journal)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LabError(f"{journal_file()} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LabError(
            f"{journal_file()} is damaged ({error}), so which settings of this host were left changed is not known; "
            "look after them yourself, then remove it."
        ) from error


def write_journal(journal: Journal) -> None:
    """Write the journal, all of it or nothing, and wait until it is on the disk.

    Raises:
        LabError: it cannot be written, or there is one already.
    """
    try:
        journal_folder().mkdir(parents=True, exist_ok=True)
        with lock_folder():
            check_no_journal()
            atomic.write(
                journal_file(), msgspec.json.format(msgspec.json.encode(journal)), journal_file().with_suffix(".new")
            )
    except OSError as error:
        raise LabError(
            f"What is to be changed cannot be written down in {journal_folder()}: {error.strerror}. {FOLDER_VARIABLE} "
            "names another folder."
        ) from error


def remove_journal(journal: Journal) -> None:
    """Remove the journal, unless the one that is there is another.

    Raises:
        LabError: it cannot be removed.
    """
    try:
        with lock_folder():
            if read_journal() == journal:
                journal_file().unlink()
    except FileNotFoundError:
        return  # somebody removed the whole folder
    except OSError as error:
        raise LabError(f"{journal_file()} is of no use any more, but cannot be removed: {error.strerror}.") from error


@contextmanager
def lock_folder() -> Iterator[None]:
    """Hold the folder for this process alone."""
    descriptor = os.open(journal_folder(), os.O_RDONLY | os.O_DIRECTORY)

    def take() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        if not wait.wait_until(take, LOCK_LIMIT_S):
            raise LabError(
                f"{journal_folder()} is held by another process for {LOCK_LIMIT_S:g} s already; look what it does."
            )
        yield
    finally:
        os.close(descriptor)


def check_no_journal() -> None:
    """Raise LabError if there is a journal already: one at a time."""
    there = read_journal()
    if there is None:
        return
    if there.is_process_alive:
        raise LabError(f"Settings of this host are changed already, by {there.text}; wait until it has ended.")
    raise LabError(f"Settings of this host were left changed by {there.text}; put them back first: {RESTORE}.")


def boot_id() -> str:
    """Return what tells this boot of the kernel from all others."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def network_inode() -> int:
    """Return what tells this process's network namespace from others that are there at the same time."""
    return Path("/proc/self/ns/net").stat().st_ino


def process_start(pid: int) -> int | None:
    """Return when a process started, in clock ticks after the boot; None if there is none, or only its remains."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:  # not there, or gone while it was read
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[STATE] in "ZX" else int(fields[START])
