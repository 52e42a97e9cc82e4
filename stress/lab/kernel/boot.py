# SPDX-License-Identifier: MIT
"""A kernel booted under QEMU by virtme-ng, with this host's files read-only and one folder that both can write.

The guest runs one script of that folder, ``go``. It says that it has begun by the file ``started``, and that it is over
by ``ended``; what else it leaves there is for who wrote it. The kernel's messages go to ``console.log``.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stress.model.errors import LabError

SHARE = "/run/connstorm"  # where the guest has the folder
ROOT = "/run/root"  # where the guest has the host's files once more, to be mounted with a cache
GO, STARTED, ENDED, CONSOLE, QEMU = "go", "started", "ended", "console.log", "qemu"
KVM = Path("/dev/kvm")
INTERVAL_S = 0.1
QUIET_S = {True: 10.0, False: 60.0}  # the longest that a boot says nothing: with KVM, and emulated
MEMORY_MIB, MEMORY_SHARE = 4096, 2  # of the guest: at most so much, and one part in two of this machine's
TAIL_LINES = 100  # a panic comes with a trace
SHOWN_LINES = 3
PANIC = "Kernel panic"
PROGRAMS = {
    "virtme-run": "virtme-ng: pip install 'connstorm[kernels]'",
    "qemu-system-x86_64": "QEMU: apt-get install qemu-system-x86",
    "busybox": "a static busybox: apt-get install busybox-static",
    "modprobe": "kmod: apt-get install kmod",
}


class GuestEnd(StrEnum):
    """How a guest ended."""

    ENDED = "it ended"  # the script did
    DIED = "the machine stopped by itself"
    HUNG = "it said nothing any more while it booted"
    LATE = "it was not over in time"
    STOPPED = "it was stopped"


@dataclass(frozen=True)
class Image:
    """What is booted.

    Attributes:
        path: a vmlinuz, or the build tree of a kernel.
        options: of the kernel's command line.
    """

    path: Path
    options: tuple[str, ...] = ()


def list_missing() -> Iterator[str]:
    """Yield what this machine lacks to boot kernels, and how to get each."""
    for program, advice in PROGRAMS.items():
        if find_program(program) is None:
            yield advice


def find_program(program: str) -> str | None:
    """Return where a program is: beside this Python, in PATH, or where root's programs are."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    return shutil.which(program, path=os.pathsep.join(places))


def has_kvm() -> bool:
    """Return whether this machine offers to run guests on its own CPU; that it also works, only a boot can tell."""
    return os.access(KVM, os.R_OK | os.W_OK)


class Boot:
    """A guest under way; the kernel ends it when this process ends."""

    def __init__(self, image: Image, share: Path, *, kvm: bool, quiet_s: float | None = None) -> None:
        """Start it.

        Args:
            image: what is booted.
            share: the folder with its script.
            kvm: on this machine's own CPU; else emulated.
            quiet_s: how long it may say nothing while it boots; by default as long as such a boot may need.

        Raises:
            LabError: this machine lacks what is needed.
        """
        if lacking := list(list_missing()):
            raise LabError(f"To boot a kernel this machine lacks {'; '.join(lacking)}.")
        self.share = share
        self.quiet_s = QUIET_S[kvm] if quiet_s is None else quiet_s
        self.stopped = False
        write_wrapper(share / QEMU)
        with (share / CONSOLE).open("ab") as console:
            self.process = subprocess.Popen(
                [*pdeathsig_prefix(), *boot_command(image, share, kvm=kvm)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )

    def wait(self, limit_s: float) -> GuestEnd:
        """Wait until the guest ends, and see that nothing of it is left.

        Args:
            limit_s: how long its script may take.
        """
        end = self.watch(limit_s)
        self.end()
        return GuestEnd.STOPPED if self.stopped else end

    def watch(self, limit_s: float) -> GuestEnd:
        """Wait until something ends it; time is counted in looks, which take a little longer than they should."""
        said, silent, begun = 0, 0, 0
        while True:
            gone = self.process.poll() is not None  # asked before: what it left must be seen
            if (self.share / ENDED).exists():
                return GuestEnd.ENDED
            if gone:
                return GuestEnd.DIED
            size = (self.share / CONSOLE).stat().st_size
            silent = silent + 1 if size == said else 0
            said = size
            if (self.share / STARTED).exists():
                begun += 1
            if begun == 0 and silent * INTERVAL_S > self.quiet_s:
                return GuestEnd.HUNG
            if begun * INTERVAL_S > limit_s:
                return GuestEnd.LATE
            time.sleep(INTERVAL_S)

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self.stopped = True
        self.end()

    def end(self) -> None:
        """End the machine with all its processes: what its script wrote is on the host's disk already."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def console(self) -> list[str]:
        """Return the last lines of the kernel's messages."""
        text = (self.share / CONSOLE).read_bytes().decode("utf-8", "replace")
        lines = ["".join(each for each in line if each.isprintable()).strip() for line in text.splitlines()]
        return [line for line in lines if line][-TAIL_LINES:]


def last_messages(lines: list[str]) -> list[str]:
    """Return what the console says of the end: the panic, else its last lines."""
    panics = [line for line in lines if PANIC in line]
    return panics[:1] or lines[-SHOWN_LINES:]


def pdeathsig_prefix() -> list[str]:
    """Return a prefix of a command that has the kernel end it when its parent ends; setpriv is of util-linux."""
    found = find_program("setpriv")
    return [found, "--pdeathsig", "KILL", "--"] if found else []


def write_wrapper(path: Path) -> None:
    """Write a QEMU that ends when virtme-run ends, which does not see to that."""
    program = find_program("qemu-system-x86_64")
    assert program is not None
    path.write_text(f'#!/bin/sh\nexec {shlex.join([*pdeathsig_prefix(), program])} "$@"\n')
    path.chmod(0o755)


def boot_command(image: Image, share: Path, *, kvm: bool) -> list[str]:
    """Return the command that boots."""
    program = find_program("virtme-run")
    assert program is not None
    built = image.path.is_dir()
    host_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return [
        program,
        *(("--kdir", str(image.path)) if built else ("--kimg", str(image.path))),
        *("--mods", "auto", "--force-9p", "--verbose", "--show-boot-console"),
        *(() if kvm else ("--disable-kvm",)),
        *("--qemu-bin", str(share / QEMU)),
        *("--cpus", str(len(os.sched_getaffinity(0)))),
        *("--memory", f"{min(MEMORY_MIB, host_mib // MEMORY_SHARE)}M"),
        f"--rwdir={SHARE}={share}",
        f"--rodir={ROOT}=/",
        *(word for option in image.options for word in ("--kopt", option)),
        *("--script-sh", f"sh {SHARE}/{GO}"),
    ]
