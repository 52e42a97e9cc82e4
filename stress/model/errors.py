# SPDX-License-Identifier: MIT
"""Exceptions, each kind with the exit code of the command line."""

from stress.model.text import shown_text

UNBALANCED = 4  # exit code of run --strict: the books do not balance; inconclusive, as a gate is
CRASHED = 70  # exit code of a fault of the program itself, EX_SOFTWARE of sysexits.h
BROKEN_PIPE = 141  # exit code when nobody reads standard output, as shells count: 128 + SIGPIPE
INTERRUPTED = 130  # exit code after SIGINT, as shells count: 128 + the signal
TERMINATED = 143  # the same after SIGTERM
LONGEST = 10_000  # characters of a message: it may quote a file, in which a name has megabytes


class ConnstormError(Exception):
    """A failure that the user can act on. Its text is one sentence that says what is wrong and what to do."""

    exit_code = 1

    def __str__(self) -> str:
        """Return the text without control characters, for it may quote a damaged file, and not longer than LONGEST."""
        text = super().__str__()
        return shown_text(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")


class UsageError(ConnstormError):
    """Bad input: a wrong option, plan, file or folder."""

    exit_code = 2


class NotApplicableError(UsageError):
    """This kernel, or this namespace, does not support what a plan needs."""


class NoRunsError(UsageError):
    """A folder that should contain runs contains none, or does not exist."""


class IncomparableError(UsageError):
    """Runs that shall be compared differ in more than the dimension of the comparison."""


class LabError(ConnstormError):
    """The environment under test could not be set up, or did not last."""

    exit_code = 3


class FaultError(ConnstormError):
    """A process of this program ended by a fault of its own, which it has told."""

    exit_code = CRASHED


class ChannelClosedError(LabError):
    """The other end of a control channel is gone, has ended, or takes nothing more."""


class ChannelFaultError(LabError):
    """What came from the other end of a control channel is not its protocol."""


class StoreError(UsageError):
    """Results cannot be written or read, for example because the disk is full."""


class Terminated(SystemExit):
    """A signal that ends programs arrived: the process cleans up and exits with 128 + the signal number."""


def error_named(kind: str, text: str) -> ConnstormError:
    """Return an error that another process names, as one of this process; a name that is none means LabError.

    Args:
        kind: the name of the error's class.
        text: its text.
    """
    known = globals().get(kind)
    return known(text) if isinstance(known, type) and issubclass(known, ConnstormError) else LabError(text)
