# SPDX-License-Identifier: MIT
"""A program: the storm of a plan against a serving side at the other ends of two pipes, without relay and ssh.

    python storm_across.py READING WRITING RESULTS [change] < plan.json

Prints the run folder, or the error's class and text.
"""

import sys
from functools import partial
from pathlib import Path

import msgspec

from stress.analysis.attribution.summary import analyse
from stress.lab.kernel_word.asked import AskedKernel
from stress.model.errors import ConnstormError
from stress.model.peer import Transport
from stress.model.plan import Plan
from stress.run.peer.plan import keep_within
from stress.run.protocol import PROTOCOL
from stress.store import run_folder
from stress.storm.peer import calls
from stress.storm.peer.caller import Caller
from stress.storm.peer.channel import Channel, Descriptors
from stress.storm.peer.clock import measure_offset
from stress.storm.peer.joined_peer import JoinedPeer
from stress.storm.peer.message import SERVER_SPEECH
from stress.storm.run_plan import carry_out

ANSWER_S = 60.0


def join(caller, plan, program, *, may_change):
    """Ask for a plan; return it within the limits, and the serving host."""
    consent = caller.call(calls.Ask(plan, [plan.source], may_change))
    plan, warnings = keep_within(plan, consent.limits)
    ping = partial(caller.call, calls.Ping())
    peer = JoinedPeer(
        caller, "lab2", Transport.SSH, program, consent, ("", ""), may_change, lambda: measure_offset(ping), warnings
    )
    return plan, peer


def tell(stage):
    """Write a stage as a line to standard error."""
    sys.stderr.write(f"{stage}\n")
    sys.stderr.flush()


def main(reading, writing, results, change=None):
    """Storm, and store the run."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    with Channel(Descriptors(int(reading), int(writing)), SERVER_SPEECH, "lab2") as channel:
        channel.send(calls.Hello(PROTOCOL, "a test"))
        hello = channel.receive(ANSWER_S).message
        try:
            with AskedKernel(plan.evidence) as asked:
                plan, peer = join(Caller(channel), plan, hello.program, may_change=change is not None)
                run, _, _ = carry_out(plan, tell, None, asked, peer)
        except ConnstormError as error:
            sys.stdout.write(f"{type(error).__name__}: {error}")
            return
    sys.stdout.write(str(run_folder.write(run, analyse(run).summary, Path(results), {})))


if __name__ == "__main__":
    main(*sys.argv[1:])
