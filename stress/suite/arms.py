# SPDX-License-Identifier: MIT
"""The arms of a suite: what they need before its first trial, and the fingerprint of each other connstorm."""

import os
import shlex
import shutil
from collections.abc import Iterable

from stress.model.arm import SuiteArm
from stress.model.errors import UsageError
from stress.model.kernel import HOST
from stress.model.progress import ProgressCallback
from stress.model.suite import Cell, Fingerprint, Suite
from stress.run.other_connstorm import find_interpreter, request_other_fingerprint
from stress.suite.executor.base import ArmedExecutor, Executor


def arm_fault(arm: SuiteArm) -> str | None:
    """Return a sentence when what an arm names cannot be run on this machine, or None."""
    try:
        if arm.python is not None:
            find_interpreter(arm.python)
            return None
        program = arm.command[0]
    except UsageError as error:
        return str(error)
    if shutil.which(program) is None:
        where = "" if os.sep in program else " in PATH"
        return f"There is no program {shlex.quote(program)} that can be run{where}, which the arm {arm.name} starts."
    return None


def refuse_arms(suite: Suite, cells: Iterable[Cell], executor: Executor, *, host: bool) -> None:
    """Raise UsageError for arms whose trials cannot be run, or not by this executor."""
    for cell in cells:
        if not cell.arm:
            continue
        if cell.kernel != HOST or not isinstance(executor, ArmedExecutor):
            raise UsageError(
                f"{cell.name}: the trials of an [[arm]] run on this machine and on its running kernel; leave out "
                "--executor and the axis kernel."
            )
        if host and cell.plan.is_external:
            raise UsageError(
                f"{cell.name}: the server of an [[arm]] runs in the private namespace of its trial; leave out --host."
            )
    for arm in suite.arms:
        if fault := arm_fault(arm):
            raise UsageError(fault)


def take_arm_fingerprints(suite: Suite, notify: ProgressCallback) -> dict[str, Fingerprint]:
    """Ask each arm that is another connstorm what it is; return its fingerprint by the name of the arm.

    Raises:
        UsageError, LabError: as ``request_other_fingerprint``.
    """
    fingerprints = {}
    for arm in suite.arms:
        if arm.python is not None:
            notify(f"asking the connstorm of the arm {arm.name} what it is")
            fingerprints[arm.name] = request_other_fingerprint(arm)
    return fingerprints


def needs_namespace(cell: Cell) -> bool:
    """Return whether a trial of a cell makes a private namespace on the running kernel."""
    return cell.kernel == HOST and (not cell.plan.host or bool(cell.arm and cell.plan.is_external))
