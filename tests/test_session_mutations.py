# SPDX-License-Identifier: MIT
"""A serving side that gets mutated messages, at any stage, ends or refuses; it leaves nothing and keeps its limits.

The session is the real one, in a network of its own. 80 messages, some over TLS; ``make mutations`` takes 100,000.
"""

import os
import subprocess

import msgspec
import pytest
from mutations import FROM_CLIENT
from namespaced import namespaced, open_descriptors
from pestered import CHUNK, HELLO, Pesterer

from stress.lab import listening, sysctl
from stress.lab.firewall import has_nft
from stress.lab.source_filter import is_within, parse_sources
from stress.model.peer import ServeLimits
from stress.model.plan import Plan
from stress.model.world import Topology, World
from stress.storm.peer import calls
from stress.storm.peer.agreement import Terms
from stress.storm.peer.session import Session

COUNT = int(os.environ.get("CONNSTORM_MUTATIONS", "80"))
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
OFTEN = (2, 6, 6, 1) if COUNT < CHUNK else (20, 80, 80, 1)  # the last makes processes, which take half a second
MESSAGES = [(message, {}) for message in FROM_CLIENT if not isinstance(message, calls.Ask)] + [(ASK, {})] * 10


def list_rules():
    """Return the tables of nftables, where it is installed."""
    if not has_nft():
        return ""
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


def serve_session(first, most):
    """Serve a client that pesters the session; return the session, and how many mutated messages came."""
    pesterer = Pesterer("session", MESSAGES, STAGES, OFTEN)

    def serve(channel):
        session = Session(channel, HELLO, Terms(LIMITS))
        assert "\n" not in session.run()
        return session

    return pesterer.pester(serve, first, most), pesterer.sent


@namespaced
def serve_sessions(numbers):
    """Serve as many clients as it takes; hold that nothing is left and no limit is lost."""
    for address in (CLIENT, SERVER):
        subprocess.run(["ip", "address", "add", f"{address}/24", "dev", "lo"], check=True)
    serve_session(0, 1)
    descriptors = open_descriptors()
    settings, rules = sysctl.read(SETTING), list_rules()
    sessions = agreed = 0
    first = numbers.start
    while first < numbers.stop:
        try:
            session, sent = serve_session(first, numbers.stop - first)
        except Exception as error:
            error.add_note(f"of the session that begins with number {first}")
            raise
        sessions += 1
        if session.agreement:
            agreed += 1
            assert session.watch.limits == session.agreement.limits
            assert msgspec.structs.replace(session.agreement.limits, sources=LIMITS.sources) == LIMITS, first
            sources = parse_sources(session.agreement.limits.sources)
            assert all(is_within(source, parse_sources(LIMITS.sources)) for source in sources), first
        assert list(listening.list_listening()) == [], first
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        assert open_descriptors() <= descriptors + 2, first
        assert sysctl.read(SETTING) == settings, first
        first += max(sent, 1)
    assert list_rules() == rules
    assert agreed > sessions // 4


@pytest.mark.timeout(7200)
def test_a_session_that_gets_mutated_messages_ends_or_refuses_and_leaves_nothing():
    for first in range(0, COUNT, CHUNK):
        serve_sessions(range(first, min(first + CHUNK, COUNT)))
