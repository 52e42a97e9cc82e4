# SPDX-License-Identifier: MIT
"""The executors by name, as ``--executor`` has them: NAME, or NAME:WHERE."""

from collections.abc import Callable

from stress.model.errors import UsageError
from stress.suite.executor.base import Executor
from stress.suite.executor.local import Local
from stress.suite.executor.virtme import Virtme


def local(where: str) -> Executor:
    """Return the executor of this machine; ``where`` is empty."""
    return alone(Local(), where)


def alone(executor: Executor, where: str) -> Executor:
    """Return an executor that needs no place.

    Raises:
        UsageError: one was given.
    """
    if where:
        raise UsageError(f"This executor is of this machine, and {where!r} no place for it; leave out the colon.")
    return executor


def vng(where: str) -> Executor:
    """Return the executor that boots the kernels of cells on this machine; ``where`` is empty."""
    return alone(Virtme(), where)


# From each name, what makes the executor of the text after the colon, or of an empty one.
EXECUTORS: dict[str, Callable[[str], Executor]] = {"local": local, "vng": vng}
