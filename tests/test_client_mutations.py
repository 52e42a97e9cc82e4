# SPDX-License-Identifier: MIT
"""A further client that gets mutated messages, at any stage, ends or refuses, storms nobody and leaves nothing.

The session is the real one, in a network of its own, from which nobody can be reached. 60 messages; ``make mutations``
takes 100,000.
"""

import os
import random
import socket
import subprocess
import threading
from contextlib import suppress

import pytest
from mutations import FROM_CLIENT, mutate
from namespaced import namespaced, open_descriptors

from stress.model.errors import ChannelClosedError, ChannelFaultError
from stress.model.peer import ServeLimits
from stress.model.plan import Plan
from stress.model.world import Topology, World
from stress.storm.peer import calls, client_calls
from stress.storm.peer.agreement import Terms
from stress.storm.peer.channel import Channel, Connection
from stress.storm.peer.client_session import ClientSession
from stress.storm.peer.message import CLIENT_SPEECH, SERVER_SPEECH, frames_of

COUNT = int(os.environ.get("CONNSTORM_MUTATIONS", "60"))
HELLO = calls.Hello(3, "a test")
OWN, SERVER = "198.18.5.3", "198.18.5.2"
LIMITS = ServeLimits(max_rate_per_s=50, max_seconds=20)
PLAN = Plan(
    scenario="clean",
    attempts=20,
    host=True,
    world=World(topology=Topology.PEER),
    source="198.18.5.1",
    target=SERVER,
    clients=[OWN],
    workers=2,
)
ASK = client_calls.AskClient(PLAN, 1)
STAGES = ([], [HELLO], [HELLO, ASK], [HELLO, ASK, client_calls.BeginPart("storm", 20, 0)])
OFTEN = (2, 6, 6, 1)  # the last makes a process
OF_CLIENTS = [
    client_calls.FindSource(SERVER, 5000),
    ASK,
    client_calls.MeetServer("0123456789abcdef"),
    client_calls.BeginPart("storm", 20, 0),
    client_calls.StormPart(0, 1),
    client_calls.EndPart(),
    client_calls.StopPart(),
]
MESSAGES = [(message, {}) for message in (*FROM_CLIENT, *OF_CLIENTS * 8)]
LAST = calls.BeginAct("the last")  # who storms does not serve: its refusal tells that all before was carried out
QUIET_S = 0.05
END_S = 10


def lead(far, number, session):
    """Say what leads to a stage, then something mutated; wait until it was carried out, and go."""
    draw = random.Random(f"client {number}")
    stage = draw.choices(STAGES, OFTEN)[0]
    with Channel(Connection(far), SERVER_SPEECH) as channel, suppress(ChannelClosedError, ChannelFaultError):
        for count, message in enumerate(stage):
            if isinstance(message, client_calls.BeginPart):
                session.part.has_met = True  # nobody is there to be met
            channel.send(message)
            while True:
                received = channel.receive(END_S)
                assert received
                assert not isinstance(received.message, calls.Refused), received.message.text
                if not isinstance(received.message, calls.Beat):
                    break
            assert count < len(stage)
        bad = mutate(draw, MESSAGES)
        channel._unsent = bad + b"".join(frame.packed for frame in frames_of(LAST))
        channel._send_unsent()
        while received := channel.receive(QUIET_S):
            if isinstance(received.message, calls.Refused) and "BeginAct" in received.message.text:
                break


def storm_round(number):
    """Be a client for one who leads; return the session."""
    near, far = socket.socketpair()
    with Channel(Connection(near), CLIENT_SPEECH, "the client") as channel:
        session = ClientSession(channel, HELLO, Terms(LIMITS))
        talking = threading.Thread(target=lead, args=(far, number, session))
        talking.start()
        reason = session.run()
        assert "\n" not in reason
        near.shutdown(socket.SHUT_RDWR)  # as the end of the process does
        talking.join(END_S)
    assert not talking.is_alive()
    return session


@namespaced
def storm_rounds(rounds):
    """Be a client in each round; hold that nothing is left and nobody was stormed."""
    subprocess.run(["ip", "address", "add", f"{OWN}/32", "dev", "lo"], check=True)
    subprocess.run(["ip", "route", "add", "prohibit", SERVER], check=True)
    storm_round(0)
    descriptors, agreed = open_descriptors(), 0
    for number in rounds:
        try:
            session = storm_round(number)
        except Exception as error:
            error.add_note(f"of number {number}")
            raise
        agreed += session.part is not None
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        assert open_descriptors() <= descriptors + 2, number
    assert agreed > len(rounds) // 4


@pytest.mark.timeout(7200)
def test_a_client_that_gets_a_mutated_message_ends_or_refuses_and_leaves_nothing():
    storm_rounds(range(COUNT))
