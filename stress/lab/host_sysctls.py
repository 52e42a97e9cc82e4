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
from stress.lab.signals import Ending
from stress.lab.sysctl_journal import Journal
from stress.model.errors import ConnstormError, LabError, UsageError


class Outcome(StrEnum):
    """What became of a setting that was to be put back."""

    BACK = "put back"
    ALREADY = "already back"
    LEFT = "left alone"
    FAILED = "failed"


class Restored(msgspec.Struct, frozen=True):
    """What became of a setting, and that in a sentence."""

    name: str
    outcome: Outcome
    text: str


class Report(msgspec.Struct, frozen=True):
    """What was done with a journal that was left: in all, and with each setting."""

    text: str
    settings: list[Restored]


class Changed:
    """The context of ``changed()``."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings
        self.journal: Journal | None = None
        self.unsure: str | None = None  # the setting that is being written: whatever it reads, we did that

    def __enter__(self) -> None:
        if not self.settings:
            return
        entered = False
        self.ending = Ending(Changed.__enter__.__code__, Changed.__exit__.__code__, Changed.undo.__code__)
        try:
            planned = sysctl_journal.planned({name: changeable(name) for name in self.settings}, self.settings)
            sysctl_journal.write(planned)
            self.journal = planned
            for name, value in self.settings.items():
                self.unsure = name
                change(name, planned.old[name], value)
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
            found = restore(self.journal, self.unsure)
            refuse_failures(found)
            sysctl_journal.remove(self.journal)
        finally:
            self.ending.give_back()
        return sentences_of(Outcome.LEFT, found)


def changed(settings: dict[str, str]) -> Changed:
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
    return Changed(sysctl.asked(settings))


def changeable(name: str) -> str:
    """Return a setting that may be written here."""
    value = sysctl.existing(name)
    try:
        os.close(os.open(sysctl.path(name), os.O_WRONLY))
    except OSError as error:
        raise LabError(
            f"{name} may not be changed here: {error.strerror}. To change settings of the host needs root."
        ) from error
    return value


def change(name: str, old: str, new: str) -> None:
    """Set a setting, once it has been seen that the kernel takes the old value as it reads."""
    try:
        sysctl.write(name, old)
    except UsageError as error:
        raise UsageError(f"{name} is not changed, because it could not be put back. {error}") from error
    sysctl.write(name, new)


def restore(journal: Journal, ours: str | None = None) -> list[Restored]:
    """Put back what still is as it was set, the last first; return what became of each setting.

    Args:
        journal: of this network namespace.
        ours: a setting to put back whatever it reads.
    """
    return [
        put_back(name, journal.old[name], None if name == ours else journal.new[name]) for name in reversed(journal.old)
    ]


def put_back(name: str, old: str, new: str | None) -> Restored:
    """Put a setting back if it is as it was set; None takes any value for that."""
    now = sysctl.read(name)
    if now is None:
        return Restored(name, Outcome.LEFT, f"{name} is not there any more.")
    if sysctl.same(name, now, old):
        return Restored(name, Outcome.ALREADY, f"{name} is {shown(old)}, as it was before.")
    if new is not None and not sysctl.same(name, now, new):
        return Restored(
            name,
            Outcome.LEFT,
            f"{name} was set to {shown(new)}, but is {shown(now)}: somebody else changed it, so it is left alone; "
            f"before it was {shown(old)}.",
        )
    try:
        sysctl.write(name, old)
    except ConnstormError as error:
        return Restored(name, Outcome.FAILED, f"{name} is {shown(now)} and could not be put back: {error}")
    return Restored(name, Outcome.BACK, f"{name} is {shown(old)} again; it was {shown(now)}.")


def restore_left() -> Report:
    """Put back what a process that was killed left changed, and remove its journal unless a setting failed.

    Raises:
        LabError: there is something to put back, but not here or not now; or its journal cannot be read or removed.
    """
    journal = sysctl_journal.left()
    if journal is None:
        return Report("nothing to put back", [])
    if not journal.of_this_boot:
        sysctl_journal.remove(journal)
        return Report(f"nothing to put back: what {journal.text} changed went with an earlier boot", [])
    if journal.living:
        raise LabError(f"Settings are changed by {journal.text}, which puts them back when it ends; wait for that.")
    if journal.network != sysctl_journal.network():
        raise LabError(
            f"What {journal.text} left changed is in another network namespace, net:[{journal.network}]; here is "
            f"net:[{sysctl_journal.network()}]. Call {sysctl_journal.RESTORE} there; if it is gone, remove "
            f"{sysctl_journal.file()}."
        )
    found = restore(journal)
    if not any(each.outcome is Outcome.FAILED for each in found):
        sysctl_journal.remove(journal)
    return Report(f"left by {journal.text}", found)


def refuse_failures(found: list[Restored]) -> None:
    """Raise LabError if a setting could not be put back."""
    if sentences := sentences_of(Outcome.FAILED, found):
        raise LabError(f"{sentences} To put it back later, call {sysctl_journal.RESTORE} as root.")


def sentences_of(outcome: Outcome, found: list[Restored]) -> str:
    """Return the sentences of all settings that something became of."""
    return " ".join(each.text for each in found if each.outcome is outcome)


def shown(value: str) -> str:
    """Return a value for a sentence."""
    return value or "empty"
