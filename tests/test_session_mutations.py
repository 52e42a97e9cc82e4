# SPDX-License-Identifier: MIT
"""A serving side that gets mutated messages, at any stage, ends or refuses; it leaves nothing and keeps its limits.

The session is the real one, in a network of its own. 80 messages; ``make mutations`` takes 100,000.
"""

import os
import random
import socket
import subprocess
import threading
from contextlib import suppress

import msgspec
import pytest
from mutations import FROM_CLIENT, mutate
from namespaced import namespaced, open_descriptors

from stress.lab import listening, sysctl
from stress.lab.firewall import has_nft
from stress.model.errors import ChannelClosedError, ChannelFaultError
from stress.model.peer import ServeLimits
from stress.model.plan import Plan
from stress.model.world import Topology, World
from stress.storm.peer import calls
from stress.storm.peer.agreement import Terms
from stress.storm.peer.channel import Channel, Connection
from stress.storm.peer.message import CLIENT_SPEECH, SERVER_SPEECH, frames_of
from stress.storm.peer.session import Session

COUNT = int(os.environ.get("CONNSTORM_MUTATIONS", "80"))
HELLO = calls.Hello(3, "a test")
CLIENT, SERVER = "198.18.5.1", "198.18.5.2"
SETTING = "net.core.somaxconn"
LIMITS = ServeLimits(sources=["198.18.5.0/24"], max_rate_per_s=50, max_seconds=20, change=True)
PLAN = Plan(
    scenario="clean",
    attempts=20,
    host=True,
    world=World(topology=Topology.PEER),
    source=CLIENT,
    target=SERVER,
    sysctls={SETTING: "77"},
    acts={"first": {"attempts": 10, "servers": 2}, "second": {"fresh": False}},
)
ASK = calls.Ask(PLAN, [CLIENT], change=True)
STAGES = (
    [],
    [HELLO],
    [HELLO, ASK],
    [HELLO, ASK, calls.BeginAct("first"), calls.Listen(), calls.StartProcess()],
)
OFTEN = (2, 6, 6, 1)  # the last makes processes
MESSAGES = [(message, {}) for message in FROM_CLIENT if not isinstance(message, calls.Ask)] + [(ASK, {})] * 10
LAST = calls.BeginAct("the last")  # no plan has it: its refusal tells that all before it was carried out
QUIET_S = 0.05  # a call that waits does so for longer
CHUNK = 500  # rounds of a process
END_S = 10


def client(far, number):
    """Say what leads to a stage, then something mutated; wait until it was carried out, and go."""
    draw = random.Random(f"session {number}")
    stage = draw.choices(STAGES, OFTEN)[0]
    with Channel(Connection(far), SERVER_SPEECH) as channel, suppress(ChannelClosedError, ChannelFaultError):
        for message in stage:
            channel.send(message)
        answers = 0
        while answers < len(stage):
            received = channel.receive(END_S)
            assert received
            assert not isinstance(received.message, calls.Refused), received.message.text
            answers += not isinstance(received.message, calls.Beat)
        bad = mutate(draw, MESSAGES)
        channel._unsent = bad + b"".join(frame.packed for frame in frames_of(LAST))
        channel._send_unsent()
        while received := channel.receive(QUIET_S):
            if isinstance(received.message, calls.Refused) and LAST.name in received.message.text:
                break


def list_rules():
    """Return the tables of nftables, where it is installed."""
    if not has_nft():
        return ""
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


def serve_round(number):
    """Serve a client; return the session."""
    near, far = socket.socketpair()
    talking = threading.Thread(target=client, args=(far, number))
    talking.start()
    with Channel(Connection(near), CLIENT_SPEECH, "the client") as channel:
        session = Session(channel, HELLO, Terms(LIMITS))
        reason = session.run()
        assert "\n" not in reason
        near.shutdown(socket.SHUT_RDWR)  # as the end of the process does
        talking.join(END_S)
    assert not talking.is_alive()
    return session


@namespaced
def serve_rounds(rounds):
    """Serve a client in each round; hold that nothing is left and no limit is lost."""
    for address in (CLIENT, SERVER):
        subprocess.run(["ip", "address", "add", f"{address}/24", "dev", "lo"], check=True)
    serve_round(0)
    descriptors = open_descriptors()
    settings, rules = sysctl.read(SETTING), list_rules()
    agreed = 0
    for number in rounds:
        try:
            session = serve_round(number)
        except Exception as error:
            error.add_note(f"of number {number}")
            raise
        if session.agreement:
            agreed += 1
            assert session.watch.limits == session.agreement.limits
            assert msgspec.structs.replace(session.agreement.limits, sources=LIMITS.sources) == LIMITS, number
            assert session.agreement.limits.sources == [f"{CLIENT}/32"], number
        assert list(listening.list_listening()) == [], number
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        assert open_descriptors() <= descriptors + 2, number
        assert (sysctl.read(SETTING), list_rules()) == (settings, rules), number
    assert agreed > len(rounds) // 4


@pytest.mark.timeout(7200)
def test_a_session_that_gets_a_mutated_message_ends_or_refuses_and_leaves_nothing():
    for first in range(0, COUNT, CHUNK):
        serve_rounds(range(first, min(first + CHUNK, COUNT)))
