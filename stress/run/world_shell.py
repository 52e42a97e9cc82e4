# SPDX-License-Identifier: MIT
"""A program, by default a shell, on a host of a scenario's world, which is there as long as the program runs."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from stress.lab.descendants import adopt_orphans, end_descendants
from stress.lab.pdeathsig import with_parent
from stress.lab.signals import SHELL_BASE, DeferredSignals
from stress.model.plan import Plan
from stress.model.progress import ProgressCallback, ignore_progress
from stress.run.process import ONE_THREAD
from stress.storm.acts import Acts

BOUND_PROGRAM = (sys.executable, "-m", "stress.lab.bound_program")
SYSTEM_FOLDERS = "/usr/sbin:/sbin"  # of nft and tcpdump, which is not in the PATH of ordinary users
PATIENCE_S = 1.0  # with a shell, which may have to restore its terminal


def run(
    plan: Plan, host: str, command: Sequence[str], notify: ProgressCallback, ready: Callable[[], None], *, storm: bool
) -> int:
    """Make the world of a plan in this process and namespace, run a program there, and return its exit code.

    Everything that this process has started ends with it, also by SIGTERM and SIGHUP.

    Args:
        plan: of one storm.
        host: on which the program runs.
        command: the program and its arguments.
        notify: called with each stage as it begins.
        ready: called when the program is about to be started.
        storm: whether to storm, again and again, until the program ends.

    Raises:
        UsageError, LabError: as of an ``Environment``.
        Terminated: by a signal.
    """
    adopt_orphans()
    signals = DeferredSignals()
    try:
        with Acts(plan, None, None) as acts:
            signals.release()
            environment = acts.begin_environment("storm", plan, notify)
            ready()
            signal.signal(signal.SIGINT, leave_to_program)
            with environment.network.inside(host):
                program = subprocess.Popen([*BOUND_PROGRAM, *command], env=with_parent(program_environment(plan, host)))
            if storm:
                storm_until_end(acts, plan, program)
            return exit_code(program.wait())
    finally:
        signals.defer()
        end_descendants(PATIENCE_S)
        signals.restore_handlers()


def leave_to_program(number: int, frame: object) -> None:
    """Do nothing: SIGINT comes to the program too, and what it means there is the program's to say."""


def storm_until_end(acts: Acts, plan: Plan, program: "subprocess.Popen[bytes]") -> None:
    """Storm until a program has ended, which also ends a storm that runs."""

    def interrupt_storm(*_: object) -> None:
        if program.poll() is not None:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # once is enough
            raise KeyboardInterrupt

    again = msgspec.structs.replace(plan, fresh=False)
    signal.signal(signal.SIGCHLD, interrupt_storm)
    with suppress(KeyboardInterrupt):
        while program.poll() is None:
            acts.run("storm", again, ignore_progress, None)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def program_environment(plan: Plan, host: str) -> dict[str, str]:
    """Return the environment variables of a program on a host."""
    own = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    path = f"{own.get('PATH', os.defpath)}:{SYSTEM_FOLDERS}"
    return own | {"PATH": path, "PS1": f"{plan.scenario}:{host}$ ", "CONNSTORM_HOST": host}


def exit_code(returned: int) -> int:
    """Return the exit code that a shell would give to a process that ended so."""
    return SHELL_BASE - returned if returned < 0 else returned


def run_apart(arguments: Sequence[str]) -> int:
    """Run connstorm with arguments, on the same terminal, in a process that ends with this one.

    Whatever it has started and not ended itself, because it was killed, is ended too. Returns its exit code.
    """
    adopt_orphans()
    signal.signal(signal.SIGINT, leave_to_program)
    command = [sys.executable, "-m", "stress", *arguments]
    try:
        return exit_code(subprocess.run(command, env=os.environ | ONE_THREAD, check=False).returncode)
    finally:
        end_descendants()
