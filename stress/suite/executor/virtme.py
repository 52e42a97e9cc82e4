# SPDX-License-Identifier: MIT
"""The executor of several kernels on this machine: each trial boots the kernel of its cell, one after the other."""

import tempfile
from pathlib import Path

from stress.lab import idle
from stress.lab.kernel import boot, cache, debian
from stress.lab.kernel.boot import Image
from stress.model.errors import LabError
from stress.model.kernel import HOST, parse_kernel_name
from stress.model.progress import ProgressCallback
from stress.model.suite import Fingerprint
from stress.run.process import CellResult
from stress.suite.executor.base import Handle, Job, failed_trial
from stress.suite.executor.guest import PREFIX, GuestHandle, boot_fingerprint
from stress.suite.executor.local import Local

ATTEST_LIMIT_S = 180.0  # of the guest's script; emulated, Python alone takes ten seconds


class NeverBooted:
    """A trial of a kernel that is known not to boot."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def fetch(self, notify: ProgressCallback) -> CellResult:
        """Return at once."""
        del notify
        return failed_trial(self.reason)

    def cancel(self) -> None:
        """There is nothing to end."""


class Virtme:
    """Runs trials of the running kernel on this machine, and those of other kernels in guests.

    A kernel boots with KVM, or emulated where that is not offered, does not come up, or has not come up for another
    kernel: as it was when it was asked what it is, so that all its trials are of one kind.
    """

    def __init__(self, *, kvm: bool | None = None, quiet_s: float | None = None) -> None:
        """Know nothing of any kernel yet.

        Args:
            kvm: boot so, and in no other way; None tries.
            quiet_s: how long a boot may say nothing; None as long as it may need.
        """
        self.local = Local()
        self.ways = [kvm] if kvm is not None else [True, False] if boot.has_kvm() else [False]
        self.quiet_s = quiet_s
        self.images: dict[str, Image] = {}
        self.known: dict[str, tuple[Fingerprint, bool]] = {}  # and whether with KVM
        self.reasons: dict[str, str] = {}  # why others did not boot

    @property
    def hosts(self) -> list[str]:
        """This machine."""
        return self.local.hosts

    @property
    def parallel_trials(self) -> int:
        """One: guests would disturb each other."""
        return 1

    def fingerprint(self, host: str) -> Fingerprint:
        """Ask this machine what it is."""
        return self.local.fingerprint(host)

    def fingerprint_kernel(self, name: str, notify: ProgressCallback) -> Fingerprint | None:
        """Boot a kernel and ask it what it is; return None when it does not boot, which its trials will say.

        Raises:
            UsageError: there is no such kernel.
            LabError: it cannot be fetched, or this machine lacks what is needed to boot.
        """
        if lacking := list(boot.list_missing()):
            raise LabError(f"To boot {name} this machine lacks {'; '.join(lacking)}.")
        self.images[name] = kernel_image(name, notify)
        for kvm in list(self.ways):
            notify(f"booting {name} {'with KVM' if kvm else 'emulated'}, to ask what it is")
            with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
                try:
                    found = boot_fingerprint(
                        self.images[name],
                        Path(folder) / "share",
                        kvm=kvm,
                        limit_s=ATTEST_LIMIT_S,
                        quiet_s=self.quiet_s,
                    )
                except LabError as error:
                    self.reasons[name] = f"{name}: {error}"
                    continue
            self.known[name] = found, kvm
            if not kvm:
                self.ways = [False]
            return found
        return None

    def submit(self, job: Job, host: str) -> Handle:
        """Start a trial."""
        if job.kernel == HOST:
            return self.local.submit(job, host)
        if job.kernel not in self.known:
            return NeverBooted(self.reasons[job.kernel])
        attestation, kvm = self.known[job.kernel]
        return GuestHandle(
            self.images[job.kernel],
            job.plan,
            job.folder,
            attestation.host.kernel,
            kvm=kvm,
            limit_s=job.limit_s,
            settle=idle.wait_until_idle(job.settle_s) if job.settle_s else None,
        )


def kernel_image(name: str, notify: ProgressCallback) -> Image:
    """Return what boots a kernel; one of Debian is fetched unless it was before.

    Raises:
        UsageError: there is no such kernel.
        LabError: it cannot be fetched.
    """
    found = parse_kernel_name(name)
    if found.debian is None:
        return Image(found.path, found.options)
    cached = cache.find_kernel(found.base) or debian.fetch_kernel(found.debian, notify)
    return Image(cache.kernel_image(cached), found.options)
