# SPDX-License-Identifier: MIT
"""The server of a suite's arm: a trial starts it in its own private namespace, storms it as one of others, ends it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stress.lab import sysctl
from stress.lab.guarded_program import GuardedProgram
from stress.lab.listening import list_listening
from stress.lab.wait import wait_until
from stress.model.arm import SuiteArm
from stress.model.errors import LabError
from stress.model.plan import Plan
from stress.model.text import endpoint_text
from stress.run.peer.peer_call import JOIN_VARIABLE
from stress.run.process import ONE_THREAD
from stress.storm.server_look import targets

OUTPUT_FILE = "server.txt"  # next to the run folder: what the server printed
READY_INTERVAL_S = 0.01


class ServedArm:
    """The server of an arm.

    Attributes:
        arm: what it is of.
        plan: of the storm, which says where it has to listen.
        program: its process, and all that this has started.
        place: where it has to listen, as text.
    """

    def __init__(self, arm: SuiteArm, plan: Plan, program: GuardedProgram) -> None:
        self.arm = arm
        self.plan = plan
        self.program = program
        self.place = endpoint_text(plan.target, plan.target_port)

    def wait_until_ready(self) -> None:
        """Wait until it listens.

        Raises:
            LabError: it does not within its time, or ends.
        """
        limit_s = self.arm.ready_s
        wait_until(lambda: is_served(self.plan) or self.program.find_end() is not None, limit_s, READY_INTERVAL_S)
        self.require_running(f"before it listened on {self.place}")
        if not is_served(self.plan):
            raise self.failure(f"did not listen on {self.place} within {limit_s:g} s")

    def finish(self) -> None:
        """End it after the storm.

        Raises:
            LabError: it had ended by itself.
        """
        self.require_running("during the storm")
        self.program.end()

    def require_running(self, when: str) -> None:
        """Raise LabError if it has ended."""
        if (ended := self.program.find_end()) is not None:
            raise self.failure(f"ended with {ended} {when}")

    def failure(self, what: str) -> LabError:
        """Return the error that says what it did, with the end of its output; it is ended."""
        self.program.end()
        lines = self.program.last_lines().rstrip(".")
        return LabError(f"The server of the arm {self.arm.name} {what}; the end of its output: {lines}.")


@contextmanager
def serve_arm(arm: SuiteArm, plan: Plan, folder: Path) -> Iterator[ServedArm]:
    """Set the settings of a plan in the private namespace of this process, and serve there as an arm does.

    Args:
        arm: it has a command.
        plan: of the storm.
        folder: what the server prints will be in there.

    Raises:
        UsageError: the server cannot be started, or a setting has no such value.
        LabError: the server does not listen in time, or ends; or a setting cannot be set.
    """
    for name, value in sysctl.drop_implied(plan.sysctls).items():
        sysctl.write(name, value)
    with GuardedProgram(arm.command, folder / OUTPUT_FILE, own_environment()) as program:
        served = ServedArm(arm, plan, program)
        served.wait_until_ready()
        yield served


def own_environment() -> dict[str, str]:
    """Return the environment variables of the user, without those that are for this process."""
    ours = {*ONE_THREAD, JOIN_VARIABLE}
    return {name: value for name, value in os.environ.items() if name not in ours}


def is_served(plan: Plan) -> bool:
    """Return whether a socket listens in this namespace that a SYN of the storm reaches; nothing is sent."""
    return bool(targets(plan, list_listening()))
