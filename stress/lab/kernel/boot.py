# SPDX-License-Identifier: MIT
"""A kernel booted in QEMU by virtme-ng, with this host's files read-only and one folder that both can write.

The guest runs the script ``go`` of that folder. The script creates the file ``started`` when it begins and ``ended``
when it ends; its author defines its other files. The kernel's messages go to ``console.log``.
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

SHARE = "/run/connstorm"  # mount point of the folder in the guest
ROOT = "/run/root"  # mount point of a second copy of the host's files, which is mounted with a cache
GO, STARTED, ENDED, CONSOLE, QEMU = "go", "started", "ended", "console.log", "qemu"
KVM = Path("/dev/kvm")
INTERVAL_S = 0.1
QUIET_S = {True: 10.0, False: 60.0}  # maximum time without console output while booting: with KVM, and emulated
MEMORY_MIB, MEMORY_SHARE = 4096, 2  # of the guest: at most this, and half of this machine's memory
TAIL_LINES = 100  # a panic prints a trace
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

    ENDED = "it ended"  # the script ended
    DIED = "the machine stopped by itself"
    HUNG = "it said nothing any more while it booted"
    LATE = "it was not over in time"
    STOPPED = "it was stopped"


@dataclass(frozen=True)
class Image:
    """A bootable kernel.

    Attributes:
        path: a vmlinuz, or the build tree of a kernel.
        options: options of the kernel command line.
    """

    path: Path
    options: tuple[str, ...] = ()


def list_missing() -> Iterator[str]:
    """Yield the missing requirements for booting kernels, each with how to get it."""
    for program, advice in PROGRAMS.items():
        if find_program(program) is None:
            yield advice


def find_program(program: str) -> str | None:
    """Return the path of a program: next to this Python, in PATH, or in /usr/sbin or /sbin."""
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    return shutil.which(program, path=os.pathsep.join(folders))


def has_kvm() -> bool:
    """Return whether this machine has KVM; whether it works, only a boot can show."""
    return os.access(KVM, os.R_OK | os.W_OK)


class Boot:
    """A running guest; the kernel kills it when this process ends."""

    def __init__(self, image: Image, share: Path, *, kvm: bool, quiet_s: float | None = None) -> None:
        """Start the guest.

        Args:
            image: the kernel.
            share: the folder with its script.
            kvm: use KVM; else the CPU is emulated.
            quiet_s: maximum time without console output while booting; by default QUIET_S.

        Raises:
            LabError: a required program is missing.
        """
        if missing := list(list_missing()):
            raise LabError(f"Booting a kernel needs {'; '.join(missing)}.")
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
        """Wait until the guest ends, and kill all its processes.

        Args:
            limit_s: maximum run time of its script.
        """
        end = self.watch(limit_s)
        self.end()
        return GuestEnd.STOPPED if self.stopped else end

    def watch(self, limit_s: float) -> GuestEnd:
        """Wait until the guest ends or exceeds a limit; time is counted in intervals of INTERVAL_S."""
        console_bytes, silent, begun = 0, 0, 0
        while True:
            has_ended = self.process.poll() is not None  # before the files are checked, so that its last files are seen
            if (self.share / ENDED).exists():
                return GuestEnd.ENDED
            if has_ended:
                return GuestEnd.DIED
            size = (self.share / CONSOLE).stat().st_size
            silent = silent + 1 if size == console_bytes else 0
            console_bytes = size
            if (self.share / STARTED).exists():
                begun += 1
            if begun == 0 and silent * INTERVAL_S > self.quiet_s:
                return GuestEnd.HUNG
            if begun * INTERVAL_S > limit_s:
                return GuestEnd.LATE
            time.sleep(INTERVAL_S)

    def stop(self) -> None:
        """Kill the guest."""
        self.stopped = True
        self.end()

    def end(self) -> None:
        """Kill the virtual machine with all its processes; the files of its script are on the host's disk already."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def console(self) -> list[str]:
        """Return the last lines of the kernel's messages."""
        text = (self.share / CONSOLE).read_bytes().decode("utf-8", "replace")
        lines = ["".join(letter for letter in line if letter.isprintable()).strip() for line in text.splitlines()]
        return [line for line in lines if line][-TAIL_LINES:]


def last_messages(lines: list[str]) -> list[str]:
    """Return the lines of the console that explain the end: the panic, else the last lines."""
    panics = [line for line in lines if PANIC in line]
    return panics[:1] or lines[-SHOWN_LINES:]


def pdeathsig_prefix() -> list[str]:
    """Return a command prefix that sets the parent death signal; setpriv is part of util-linux."""
    setpriv = find_program("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def write_wrapper(path: Path) -> None:
    """Write a wrapper of QEMU that ends when virtme-run ends."""
    program = find_program("qemu-system-x86_64")
    assert program is not None
    path.write_text(f'#!/bin/sh\nexec {shlex.join([*pdeathsig_prefix(), program])} "$@"\n')
    path.chmod(0o755)


def boot_command(image: Image, share: Path, *, kvm: bool) -> list[str]:
    """Return the command that boots a kernel."""
    program = find_program("virtme-run")
    assert program is not None
    is_build_tree = image.path.is_dir()
    host_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return [
        program,
        *(("--kdir", str(image.path)) if is_build_tree else ("--kimg", str(image.path))),
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
