# SPDX-License-Identifier: MIT
"""A program: the storm of a plan against a serving side, with further clients, by pipes, without relay and ssh.

    python storm_together.py RESULTS READING WRITING [READING WRITING]... < plan.json

The first pipes are those of the serving side, the others of further clients. Prints the run folder, or the error.
"""

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec

from stress.analysis.attribution.summary import analyse
from stress.model.errors import ConnstormError
from stress.model.peer import Transport
from stress.model.plan import Plan
from stress.run.peer.clients import ReachedClient, add_clients, ask_clients
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


def reach(stack, name, reading, writing):
    """Return what is at the other end of two pipes."""
    channel = stack.enter_context(Channel(Descriptors(int(reading), int(writing)), SERVER_SPEECH, name))
    channel.send(calls.Hello(PROTOCOL, "a test"))
    hello = channel.receive(ANSWER_S).message
    caller = Caller(channel)
    clock = partial(measure_offset, partial(caller.call, calls.Ping()))
    return ReachedClient(name, caller, hello.program, clock)


def carry_out_together(plan, server, further):
    """Carry out a plan against a serving side with further clients; return the run."""
    plan = add_clients(plan, further)
    consent = server.caller.call(calls.Ask(plan, [plan.source, *plan.clients], change=False))
    plan, warnings = keep_within(plan, consent.limits)
    clients = ask_clients(plan, further)
    peer = JoinedPeer(
        server.caller,
        server.name,
        Transport.SSH,
        server.program,
        consent,
        ("", ""),
        may_change=False,
        measure_clock=server.measure_clock,
        warnings=warnings,
        clients=clients,
    )
    run, _, _ = carry_out(plan, peer=peer)
    return run


def main(results, *pipes):
    """Storm, and store the run."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    with ExitStack() as stack:
        names = [f"lab{number}" for number in range(2, 2 + len(pipes) // 2)]
        server, *further = (
            reach(stack, name, reading, writing)
            for name, reading, writing in zip(names, pipes[::2], pipes[1::2], strict=True)
        )
        try:
            run = carry_out_together(plan, server, further)
        except ConnstormError as error:
            sys.stdout.write(f"{type(error).__name__}: {error}")
            return
    sys.stdout.write(str(run_folder.write(run, analyse(run).summary, Path(results), {})))


if __name__ == "__main__":
    main(*sys.argv[1:])
