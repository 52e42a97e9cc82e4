# SPDX-License-Identifier: MIT
"""Sysctls of this host, changed for one trial and restored afterwards.

The journal (stress/lab/sysctl_journal.py) has the old and new values before the first is changed, and is removed once
they are restored. After a process was killed, ``connstorm doctor --restore`` restores the sysctls that it changed.
"""

import os
from enum import StrEnum
from types import TracebackType

import msgspec

from stress.lab import sysctl, sysctl_journal
from stress.lab.signals import DeferredSignals
from stress.lab.sysctl_journal import Journal
from stress.model.errors import ConnstormError, LabError, UsageError


class RestoreOutcome(StrEnum):
    """The result of restoring a sysctl; the values are part of ``doctor --restore --json``."""

    BACK = "put back"
    ALREADY = "already back"
    LEFT = "left alone"
    FAILED = "failed"


class RestoredSysctl(msgspec.Struct, frozen=True):
    """The result for one sysctl, and a sentence about it."""

    name: str
    outcome: RestoreOutcome
    text: str


class RestoreReport(msgspec.Struct, frozen=True):
    """What was done with a leftover journal: as a text, and the result for each sysctl."""

    text: str
    settings: list[RestoredSysctl]


class ChangedSysctls:
    """The context manager of ``change_sysctls()``."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings
        self.journal: Journal | None = None
        self.writing: str | None = None  # the sysctl that is being written, whose value is uncertain

    def __enter__(self) -> None:
        if not self.settings:
            return
        entered = False
        self.signals = DeferredSignals(
            ChangedSysctls.__enter__.__code__, ChangedSysctls.__exit__.__code__, ChangedSysctls.restore.__code__
        )
        try:
            journal = sysctl_journal.plan_journal(
                {name: read_changeable(name) for name in self.settings}, self.settings
            )
            sysctl_journal.write_journal(journal)
            self.journal = journal
            for name, value in self.settings.items():
                self.writing = name
                change_sysctl(name, journal.old[name], value)
            self.writing = None
            self.signals.release()
            entered = True
        finally:
            if not entered:
                self.restore()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        sentences = self.restore() if self.settings else ""
        if sentences and value is None:
            raise LabError(f"Somebody else changed sysctls of the host during the trial. {sentences}")
        if sentences and value is not None:
            value.add_note(sentences)

    def restore(self) -> str:
        """Restore all sysctls; return sentences about those that somebody else changed.

        Raises:
            LabError: a sysctl could not be restored; the journal remains.
            KeyboardInterrupt, Terminated: a signal arrived meanwhile; all sysctls are restored.
        """
        self.signals.defer()
        try:
            if self.journal is None or self.journal.pid != os.getpid():  # a child process restores nothing
                return ""
            results = restore_sysctls(self.journal, self.writing)
            raise_on_failure(results)
            sysctl_journal.remove_journal(self.journal)
        finally:
            self.signals.restore_handlers()
        return join_sentences(RestoreOutcome.LEFT, results)


def change_sysctls(settings: dict[str, str]) -> ChangedSysctls:
    """Change sysctls in the network namespace of this process for the duration of the context.

    In the main thread SIGTERM and SIGHUP raise Terminated meanwhile, so that the sysctls are restored then too. Other
    sysctls that the kernel changes as a side effect (net.ipv4.ip_forward resets many) are not restored.

    On entry, a UsageError means that a sysctl does not exist or that the kernel does not accept a value as it is
    written, a LabError that sysctls may not be changed here or are changed already; then nothing is changed. On exit,
    a LabError means that somebody else changed a sysctl meanwhile, which is left as it is, or that a sysctl could not
    be restored.

    Args:
        settings: values by dotted names; without any, nothing is done.
    """
    return ChangedSysctls(sysctl.drop_implied(settings))


def read_changeable(name: str) -> str:
    """Return the value of a sysctl that may be written here.

    Raises:
        LabError: it may not be written.
        UsageError, NotApplicableError: as ``sysctl.read_existing``.
    """
    value = sysctl.read_existing(name)
    try:
        os.close(os.open(sysctl.sysctl_path(name), os.O_WRONLY))
    except OSError as error:
        raise LabError(
            f"{name} may not be changed here: {error.strerror}. To change sysctls of the host needs root."
        ) from error
    return value


def change_sysctl(name: str, old: str, new: str) -> None:
    """Set a sysctl, after checking that the kernel accepts the old value as it reads, so that it can be restored."""
    try:
        sysctl.write(name, old)
    except UsageError as error:
        raise UsageError(f"{name} is not changed, because it could not be restored. {error}") from error
    sysctl.write(name, new)


def restore_sysctls(journal: Journal, ours: str | None = None) -> list[RestoredSysctl]:
    """Restore the sysctls that still have their new values, the last first; return the result for each.

    Args:
        journal: a journal of this network namespace.
        ours: a sysctl to restore whatever its value is.
    """
    return [
        restore_sysctl(name, journal.old[name], None if name == ours else journal.new[name])
        for name in reversed(journal.old)
    ]


def restore_sysctl(name: str, old: str, new: str | None) -> RestoredSysctl:
    """Restore a sysctl if it still has its new value; None accepts any value."""
    current = sysctl.read(name)
    if current is None:
        return RestoredSysctl(name, RestoreOutcome.LEFT, f"{name} no longer exists.")
    if sysctl.is_same_value(name, current, old):
        return RestoredSysctl(name, RestoreOutcome.ALREADY, f"{name} is {value_text(old)}, as it was before.")
    if new is not None and not sysctl.is_same_value(name, current, new):
        return RestoredSysctl(
            name,
            RestoreOutcome.LEFT,
            f"{name} was set to {value_text(new)}, but is {value_text(current)}: somebody else changed it, "
            f"so it is left alone; before it was {value_text(old)}.",
        )
    try:
        sysctl.write(name, old)
    except ConnstormError as error:
        return RestoredSysctl(
            name, RestoreOutcome.FAILED, f"{name} is {value_text(current)} and could not be restored: {error}"
        )
    return RestoredSysctl(
        name, RestoreOutcome.BACK, f"{name} is {value_text(old)} again; it was {value_text(current)}."
    )


def restore_leftover() -> RestoreReport:
    """Restore the sysctls that a killed process changed, and remove its journal unless one of them failed.

    Raises:
        LabError: there are sysctls to restore, but not here or not now; or the journal cannot be read or removed.
    """
    journal = sysctl_journal.read_journal()
    if journal is None:
        return RestoreReport("nothing to restore", [])
    if not journal.is_of_this_boot:
        sysctl_journal.remove_journal(journal)
        return RestoreReport(f"nothing to restore: {journal.text} changed sysctls before the last boot", [])
    if journal.is_process_alive:
        raise LabError(f"Sysctls are changed by {journal.text}, which restores them when it ends; wait for that.")
    if journal.network != sysctl_journal.network_inode():
        raise LabError(
            f"The sysctls that {journal.text} changed are in another network namespace, net:[{journal.network}]; "
            f"this is net:[{sysctl_journal.network_inode()}]. Run {sysctl_journal.RESTORE} there; if it no longer "
            f"exists, remove {sysctl_journal.journal_file()}."
        )
    results = restore_sysctls(journal)
    if not any(result.outcome is RestoreOutcome.FAILED for result in results):
        sysctl_journal.remove_journal(journal)
    return RestoreReport(f"left by {journal.text}", results)


def raise_on_failure(results: list[RestoredSysctl]) -> None:
    """Raise LabError if a sysctl could not be restored."""
    if sentences := join_sentences(RestoreOutcome.FAILED, results):
        raise LabError(f"{sentences} To restore it later, run {sysctl_journal.RESTORE} as root.")


def join_sentences(outcome: RestoreOutcome, results: list[RestoredSysctl]) -> str:
    """Return the sentences about all sysctls with a result, joined."""
    return " ".join(result.text for result in results if result.outcome is outcome)


def value_text(value: str) -> str:
    """Return a value as text for a sentence."""
    return value or "empty"
