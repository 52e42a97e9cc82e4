# SPDX-License-Identifier: MIT
"""A further client that gets mutated messages, at any stage, ends or refuses, storms nobody and leaves nothing.

The session is the real one, in a network of its own, from which nobody can be reached. 60 messages, some over TLS;
``make mutations`` takes 100,000.
"""

import os
import subprocess

import pytest
from mutations import FROM_CLIENT
from namespaced import namespaced, open_descriptors
from pestered import CHUNK, HELLO, Pesterer

from stress.model.peer import ServeLimits
from stress.model.plan import Plan
from stress.model.world import Topology, World
from stress.storm.peer import client_calls
from stress.storm.peer.agreement import Terms
from stress.storm.peer.client_session import ClientSession

COUNT = int(os.environ.get("CONNSTORM_MUTATIONS", "60"))
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
OFTEN = (2, 6, 6, 1) if COUNT < CHUNK else (20, 80, 80, 1)  # the last makes a process, which takes half a second
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


def storm_session(first, most):
    """Be a client for one who pesters it; return the session, and how many mutated messages came."""
    pesterer, sessions = Pesterer("client", MESSAGES, STAGES, OFTEN), []

    def storm(channel):
        sessions.append(ClientSession(channel, HELLO, Terms(LIMITS)))
        assert "\n" not in sessions[0].run()
        return sessions[0]

    def prepare(message):
        if isinstance(message, client_calls.BeginPart):
            sessions[0].part.has_met = True  # nobody is there to be met

    return pesterer.pester(storm, first, most, prepare), pesterer.sent


@namespaced
def storm_sessions(numbers):
    """Be as many clients as it takes; hold that nothing is left and nobody was stormed."""
    subprocess.run(["ip", "address", "add", f"{OWN}/32", "dev", "lo"], check=True)
    subprocess.run(["ip", "route", "add", "prohibit", SERVER], check=True)
    storm_session(0, 1)
    descriptors = open_descriptors()
    sessions = agreed = 0
    first = numbers.start
    while first < numbers.stop:
        try:
            session, sent = storm_session(first, numbers.stop - first)
        except Exception as error:
            error.add_note(f"of the session that begins with number {first}")
            raise
        sessions, agreed = sessions + 1, agreed + (session.part is not None)
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        assert open_descriptors() <= descriptors + 2, first
        first += max(sent, 1)
    assert agreed > sessions // 4


@pytest.mark.timeout(7200)
def test_a_client_that_gets_mutated_messages_ends_or_refuses_and_leaves_nothing():
    for first in range(0, COUNT, CHUNK):
        storm_sessions(range(first, min(first + CHUNK, COUNT)))
