# SPDX-License-Identifier: MIT
"""What can go wrong, each kind with the exit code that the command line gives it."""

INTERRUPTED = 130  # exit code after SIGINT, as shells count: 128 + the signal


class ConnstormError(Exception):
    """A failure that the user can act on; its text is one sentence that says what is wrong and what to do."""

    exit_code = 1


class UsageError(ConnstormError):
    """Bad input: a wrong option, plan, file or folder."""

    exit_code = 2


class NotApplicableError(UsageError):
    """This kernel, or this namespace, lacks what a plan needs."""


class NoRunsError(UsageError):
    """A folder that should hold runs holds none, or is not there."""


class IncomparableError(UsageError):
    """Runs that are to be compared differ in more than what they are compared by."""


class LabError(ConnstormError):
    """The world under test could not be made or kept."""

    exit_code = 3


class StoreError(UsageError):
    """Results cannot be written or read: a full disk, a folder that is not ours."""


class Terminated(SystemExit):
    """SIGTERM or SIGHUP came: everything is left in order, and the process ends with 128 + the signal."""
