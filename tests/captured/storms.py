# SPDX-License-Identifier: MIT
"""Storms of our own scenarios in a process and a namespace of their own, captured on every host."""

import os
import pickle
import signal
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from unittest.mock import patch

import msgspec

from captured.network import CapturedFile, CapturedNetwork
from stress.lab import namespace
from stress.lab.capture import realtime_offset_ns
from stress.lab.kernel_word.asked import AskedKernel
from stress.lab.pdeathsig import die_with_parent
from stress.model.errors import LabError
from stress.model.plan import EvidenceSource, Plan
from stress.model.run import Run
from stress.storm import environment, run_plan
from stress.storm.catalogue import SCENARIOS

LIMIT_S = 170
AFTER_S = 4  # the capture goes on for longer than a SYN that is not sent again would have waited
FLAGS = {"--mines": "mines", "--attempts": "attempts", "--rate": "rate_per_s", "--window": "window", "--close": "close",
         "--serve": "serve", "--backlog": "backlog", "--ports": "ports", "--firewall": "firewall"}  # fmt: skip


@dataclass(frozen=True)
class CapturedRun:
    """A run that was captured.

    Attributes:
        name: of the run.
        run: what was observed.
        epoch_ns: when it began, CLOCK_REALTIME.
        captures: by network in the order in which there were such, the files at the client and at the server, or the
            one on the loopback.
        failed: why there is none.
    """

    name: str
    run: Run | None = None
    epoch_ns: int = 0
    captures: tuple[tuple[CapturedFile, ...], ...] = ()
    failed: str = ""


def plan_of(arguments):
    """Return the plan that a command line of ``scenario_runs.RUNS`` asks for."""
    scenario, *flags = arguments
    plan, family, changes, settings = SCENARIOS[scenario].plan, 4, {}, {}
    while flags:
        flag = flags.pop(0)
        if flag == "--fast":
            changes["release"] = "no-buckets"
            continue
        value = flags.pop(0)
        if flag == "--port-range":
            changes["port_range"] = tuple(map(int, value.split("-")))
        elif flag == "--set":
            settings.update([value.split("=")])
        elif flag == "--family":
            family = int(value)
        else:
            changes[FLAGS[flag]] = int(value) if value.isdigit() else value
    whole = msgspec.to_builtins(plan) | changes | {"sysctls": plan.sysctls | settings, "pin": False}
    return msgspec.convert(whole, Plan).with_family(family)


def carry_out(name, plan, folder, after_s=AFTER_S):
    """Carry out a plan in a process and a namespace of its own, captured in a folder and for some time after it."""
    return in_a_process_of_its_own(
        lambda: carry_out_here(name, plan, folder, after_s), lambda failure: CapturedRun(name, failed=failure)
    )


def in_a_process_of_its_own(function, refusal):
    """Return what a function returns in another process; where it fails, what ``refusal`` returns for the reason."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setpgid(0, 0)
        die_with_parent(signal.SIGKILL)
        signal.alarm(LIMIT_S)
        try:
            result = function()
        except LabError as error:
            result = refusal(str(error))
        except BaseException:  # noqa: BLE001  # whatever it is, the parent reports it
            result = refusal(traceback.format_exc())
        with os.fdopen(writer, "wb") as stream:
            stream.write(pickle.dumps(result))
        sys.stdout.flush()
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # its servers
    _, status = os.waitpid(child, 0)
    return pickle.loads(answer) if answer else refusal(f"it ended with wait status {status}")  # noqa: S301  # own child


def carry_out_here(name, plan, folder, after_s):
    """Enter a namespace, and carry out a plan there."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = AskedKernel(EvidenceSource.KERNEL) if os.geteuid() == 0 and not plan.world.translates else None
    namespace.enter_namespace()
    CapturedNetwork.folder, CapturedNetwork.made, CapturedNetwork.after_s = folder, [], after_s
    with patch.object(environment, "Network", CapturedNetwork):
        run, _, epoch_ns = run_plan.carry_out(plan, asked=asked)
    captures = tuple(tuple(network.files) for network in CapturedNetwork.made)
    return CapturedRun(name, run, epoch_ns + realtime_offset_ns(), captures)
