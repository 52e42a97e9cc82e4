# SPDX-License-Identifier: MIT
"""The executor of several kernels on this machine: each trial boots the kernel of its cell, one after the other."""

import tempfile
from pathlib import Path

from stress.lab import idle
from stress.lab.kernel import boot, cache, debian
from stress.lab.kernel.boot import Image
from stress.model.errors import LabError
from stress.model.kernel import HOST, parse_kernel_name
from stress.model.progress import ProgressCallback, ignore_progress
from stress.model.suite import Fingerprint
from stress.run.process import CellResult
from stress.suite.estimate import GUEST_S, trial_seconds
from stress.suite.executor.base import Handle, Job, failed_trial
from stress.suite.executor.guest import PREFIX, GuestHandle, boot_fingerprint
from stress.suite.executor.local import Local

ATTEST_LIMIT_S = 180.0  # of the guest's script; emulated, Python alone takes ten seconds


class NeverBooted:
    """A trial of a kernel that does not boot."""

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

    A kernel boots with KVM; or emulated, if KVM is not available, or this or an earlier kernel did not boot with it.
    All trials of a kernel boot as it booted when its fingerprint was taken, so that they can be compared.
    """

    def __init__(self, local: Local | None = None, *, kvm: bool | None = None, quiet_s: float | None = None) -> None:
        """Start without the fingerprint of any kernel.

        Args:
            local: runs the trials of the running kernel.
            kvm: boot with KVM, or emulated; None tries both.
            quiet_s: how long the console of a boot may be silent; None for the default.
        """
        self.local = local or Local()
        self.kvm_choices = [kvm] if kvm is not None else [True, False] if boot.has_kvm() else [False]
        self.quiet_s = quiet_s
        self.images: dict[str, Image] = {}
        self.booted: dict[str, tuple[Fingerprint, bool]] = {}  # the bool: with KVM
        self.reasons: dict[str, str] = {}  # why other kernels did not boot

    @property
    def hosts(self) -> list[str]:
        """This machine."""
        return self.local.hosts

    @property
    def runs_arms(self) -> bool:
        """Whether jobs of the running kernel may have an arm."""
        return True

    @property
    def parallel_trials(self) -> int:
        """One: guests would disturb each other."""
        return 1

    def fingerprint(self, host: str) -> Fingerprint:
        """Ask this machine what it is."""
        return self.local.fingerprint(host)

    def fingerprint_peer(self, name: str) -> Fingerprint:
        """Ask a host across a link what it is; errors are as of ``Local``."""
        return self.local.fingerprint_peer(name)

    def fingerprint_kernel(self, name: str, notify: ProgressCallback) -> Fingerprint | None:
        """Boot a kernel and ask it what it is; return None when it does not boot, which its trials will say.

        Raises:
            UsageError: there is no such kernel.
            LabError: it cannot be fetched, or this machine cannot boot a kernel.
        """
        if requirements := list(boot.list_missing()):
            raise LabError(f"To boot {name} this machine needs {'; '.join(requirements)}.")
        self.images[name] = kernel_image(name, notify)
        for kvm in list(self.kvm_choices):
            notify(f"booting {name} {'with KVM' if kvm else 'emulated'}, to take its fingerprint")
            with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
                try:
                    fingerprint = boot_fingerprint(
                        self.images[name],
                        Path(folder) / "share",
                        kvm=kvm,
                        limit_s=ATTEST_LIMIT_S,
                        quiet_s=self.quiet_s,
                    )
                except LabError as error:
                    self.reasons[name] = f"{name}: {error}"
                    continue
            self.booted[name] = fingerprint, kvm
            if not kvm:
                self.kvm_choices = [False]
            return fingerprint
        return None

    def submit(self, job: Job, host: str) -> Handle:
        """Start a trial."""
        if job.kernel == HOST:
            return self.local.submit(job, host)
        if job.kernel not in self.booted:
            return NeverBooted(self.reasons[job.kernel])
        fingerprint, kvm = self.booted[job.kernel]
        return GuestHandle(
            self.images[job.kernel],
            job.plan,
            job.folder,
            fingerprint.host.kernel,
            kvm=kvm,
            limit_s=job.limit_s,
            settle=idle.wait_until_idle(job.settle_s) if job.settle_s else None,
            watch=job.watch or ignore_progress,
            expected_s=trial_seconds(job.plan, fingerprint.host) + GUEST_S if kvm else None,
            profile_hz=job.profile_hz,
        )


def kernel_image(name: str, notify: ProgressCallback) -> Image:
    """Return the image that boots a kernel; a Debian kernel is fetched unless it is in the cache.

    Raises:
        UsageError: there is no such kernel.
        LabError: it cannot be fetched.
    """
    kernel = parse_kernel_name(name)
    if kernel.debian is None:
        return Image(kernel.path, kernel.options)
    cached = cache.find_kernel(kernel.base) or debian.fetch_kernel(kernel.debian, notify)
    return Image(cache.kernel_image(cached), kernel.options)
