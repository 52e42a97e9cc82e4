# SPDX-License-Identifier: MIT
"""Settings of this host, changed for one trial and surely put back.

Old and new values are written down (stress/lab/sysctl_journal.py) before the first is changed, and that is removed
when they are back. Where a process was killed, ``connstorm doctor --restore`` puts back what it left.
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
    """What became of a setting that was to be put back."""

    BACK = "put back"
    ALREADY = "already back"
    LEFT = "left alone"
    FAILED = "failed"


class RestoredSysctl(msgspec.Struct, frozen=True):
    """What became of a setting, and that in a sentence."""

    name: str
    outcome: RestoreOutcome
    text: str


class RestoreReport(msgspec.Struct, frozen=True):
    """What was done with a journal that was left: in all, and with each setting."""

    text: str
    settings: list[RestoredSysctl]


class ChangedSysctls:
    """The context of ``changed()``."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings
        self.journal: Journal | None = None
        self.unsure: str | None = None  # the setting that is being written: whatever it reads, we did that

    def __enter__(self) -> None:
        if not self.settings:
            return
        entered = False
        self.ending = DeferredSignals(
            ChangedSysctls.__enter__.__code__, ChangedSysctls.__exit__.__code__, ChangedSysctls.undo.__code__
        )
        try:
            planned = sysctl_journal.plan_journal(
                {name: read_changeable(name) for name in self.settings}, self.settings
            )
            sysctl_journal.write_journal(planned)
            self.journal = planned
            for name, value in self.settings.items():
                self.unsure = name
                change_sysctl(name, planned.old[name], value)
            self.unsure = None
            self.ending.release()
            entered = True
        finally:
            if not entered:
                self.undo()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        sentences = self.undo() if self.settings else ""
        if sentences and value is None:
            raise LabError(f"The settings of the host did not stay as the trial needed them. {sentences}")
        if sentences and value is not None:
            value.add_note(sentences)

    def undo(self) -> str:
        """Put everything back, and say what was left alone.

        Raises:
            LabError: a setting could not be put back; the journal stays.
            KeyboardInterrupt, Terminated: a signal came meanwhile; all is back.
        """
        self.ending.hold()
        try:
            if self.journal is None or self.journal.pid != os.getpid():  # a child by fork() puts nothing back
                return ""
            found = restore_sysctls(self.journal, self.unsure)
            raise_on_failure(found)
            sysctl_journal.remove_journal(self.journal)
        finally:
            self.ending.give_back()
        return join_sentences(RestoreOutcome.LEFT, found)


def change_sysctls(settings: dict[str, str]) -> ChangedSysctls:
    """Change settings of the network stack that this process is in, while the context lasts.

    In the main thread SIGTERM and SIGHUP raise Terminated meanwhile, so that they too put everything back. What the
    kernel changes besides, when a setting is written (net.ipv4.ip_forward resets many), is not put back.

    When the context begins, a UsageError says that there is no such setting or that the kernel does not take a value
    as it is written, and a LabError that settings may not be changed here or are changed already; nothing is changed
    then. When it ends, a LabError says that somebody else changed a setting meanwhile, which is left alone, or that
    one could not be put back.

    Args:
        settings: values by dotted names; without any, nothing is done.
    """
    return ChangedSysctls(sysctl.drop_implied(settings))


def read_changeable(name: str) -> str:
    """Return a setting that may be written here."""
    value = sysctl.read_existing(name)
    try:
        os.close(os.open(sysctl.sysctl_path(name), os.O_WRONLY))
    except OSError as error:
        raise LabError(
            f"{name} may not be changed here: {error.strerror}. To change settings of the host needs root."
        ) from error
    return value


def change_sysctl(name: str, old: str, new: str) -> None:
    """Set a setting, once it has been seen that the kernel takes the old value as it reads."""
    try:
        sysctl.write(name, old)
    except UsageError as error:
        raise UsageError(f"{name} is not changed, because it could not be put back. {error}") from error
    sysctl.write(name, new)


def restore_sysctls(journal: Journal, ours: str | None = None) -> list[RestoredSysctl]:
    """Put back what still is as it was set, the last first; return what became of each setting.

    Args:
        journal: of this network namespace.
        ours: a setting to put back whatever it reads.
    """
    return [
        restore_sysctl(name, journal.old[name], None if name == ours else journal.new[name])
        for name in reversed(journal.old)
    ]


def restore_sysctl(name: str, old: str, new: str | None) -> RestoredSysctl:
    """Put a setting back if it is as it was set; None takes any value for that."""
    now = sysctl.read(name)
    if now is None:
        return RestoredSysctl(name, RestoreOutcome.LEFT, f"{name} is not there any more.")
    if sysctl.is_same_value(name, now, old):
        return RestoredSysctl(name, RestoreOutcome.ALREADY, f"{name} is {value_text(old)}, as it was before.")
    if new is not None and not sysctl.is_same_value(name, now, new):
        return RestoredSysctl(
            name,
            RestoreOutcome.LEFT,
            f"{name} was set to {value_text(new)}, but is {value_text(now)}: somebody else changed it, "
            f"so it is left alone; before it was {value_text(old)}.",
        )
    try:
        sysctl.write(name, old)
    except ConnstormError as error:
        return RestoredSysctl(
            name, RestoreOutcome.FAILED, f"{name} is {value_text(now)} and could not be put back: {error}"
        )
    return RestoredSysctl(name, RestoreOutcome.BACK, f"{name} is {value_text(old)} again; it was {value_text(now)}.")


def restore_leftover() -> RestoreReport:
    """Put back what a process that was killed left changed, and remove its journal unless a setting failed.

    Raises:
        LabError: there is something to put back, but not here or not now; or its journal cannot be read or removed.
    """
    journal = sysctl_journal.read_journal()
    if journal is None:
        return RestoreReport("nothing to put back", [])
    if not journal.is_of_this_boot:
        sysctl_journal.remove_journal(journal)
        return RestoreReport(f"nothing to put back: what {journal.text} changed went with an earlier boot", [])
    if journal.is_process_alive:
        raise LabError(f"Settings are changed by {journal.text}, which puts them back when it ends; wait for that.")
    if journal.network != sysctl_journal.network_inode():
        raise LabError(
            f"What {journal.text} left changed is in another network namespace, net:[{journal.network}]; here is "
            f"net:[{sysctl_journal.network_inode()}]. Call {sysctl_journal.RESTORE} there; if it is gone, remove "
            f"{sysctl_journal.journal_file()}."
        )
    found = restore_sysctls(journal)
    if not any(each.outcome is RestoreOutcome.FAILED for each in found):
        sysctl_journal.remove_journal(journal)
    return RestoreReport(f"left by {journal.text}", found)


def raise_on_failure(found: list[RestoredSysctl]) -> None:
    """Raise LabError if a setting could not be put back."""
    if sentences := join_sentences(RestoreOutcome.FAILED, found):
        raise LabError(f"{sentences} To put it back later, call {sysctl_journal.RESTORE} as root.")


def join_sentences(outcome: RestoreOutcome, found: list[RestoredSysctl]) -> str:
    """Return the sentences of all settings that something became of."""
    return " ".join(each.text for each in found if each.outcome is outcome)


def value_text(value: str) -> str:
    """Return a value for a sentence."""
    return value or "empty"
