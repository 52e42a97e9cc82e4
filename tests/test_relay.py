# SPDX-License-Identifier: MIT
"""The relay: what run-cell learns, and how fast its storm ends, whatever becomes of the other host or of the relay."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from private_network import ROOT
from relay_peers import AHEAD_NS
from two_hosts import two_hosts

from stress.run.peer import relay_loop
from stress.run.peer.far_end import FarEnd
from stress.run.peer.relay import RELAY_SPEECH
from stress.run.peer.relay_spec import LOSS, Joined
from stress.run.protocol import PROTOCOL
from stress.storm.peer.calls import Beat, Ended, Hello
from stress.storm.peer.channel import Channel, Connection, Descriptors
from stress.storm.peer.frame import PIECE_BYTES
from stress.storm.peer.message import CLIENT_SPEECH, answer_of, frames_of

PEERS = Path(__file__).parent / "relay_peers.py"
CELL = """
import signal, sys, time
from stress.model.errors import ConnstormError
from stress.run.peer.relays import Relays
from stress.run.peer.relay_spec import RelaySpec
from stress.storm.peer.calls import MeasureClock, ReadQueue, ReadReport

peer, command, what = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    with Relays() as relays:
        relay = relays.reach(RelaySpec(peer=peer, command=command))
        print(relay.joined.address, relay.caller.call(ReadQueue()), relay.caller.call(MeasureClock()).offset_ns)
        try:
            if what == "report":
                relay.channel.send(ReadReport())
            if what == "kill":
                began_s = time.monotonic()
                relay.process.kill()
            if what != "end":
                time.sleep(10)
        except KeyboardInterrupt:
            print(relay.loss())
            if what == "kill":
                print(time.monotonic() - began_s)
except ConnstormError as error:
    print(type(error).__name__, error)
"""
BEHAVIOURS = {  # by name: of the serving side, and what run-cell does
    "killed": ("good", "kill"),
    "stops": ("stops", "report"),
    "fails": ("fails", "end"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Return what run-cell had of each serving side; all run at once."""
    with two_hosts(tmp_path_factory.mktemp("hosts"), as_root=ROOT) as hosts:
        hosts.serve_ssh()
        running = {}
        for name, (behaviour, what) in BEHAVIOURS.items():
            command = f"{sys.executable} {PEERS} {behaviour}"
            peer = hosts.peer(6 if name == "stops" else 4)
            running[name] = hosts.client.start(sys.executable, "-c", CELL, peer, command, what, text=True)
        answers = {}
        for name, process in running.items():
            stdout, stderr = process.communicate()
            assert process.returncode == 0, stderr
            answers[name] = stdout.splitlines()
        assert hosts.is_quiet(), (hosts.client.pids(), hosts.server.pids())
        answers["address"] = hosts.server.control
        yield answers


def test_calls_are_passed_on_and_the_clocks_compared(told):
    address, queue, offset_ns = told["killed"][0].split()
    assert (address, queue) == (told["address"][4], "7")
    assert abs(int(offset_ns) - AHEAD_NS) < AHEAD_NS // 2


def test_a_storm_ends_with_the_relay(told):
    sentence, took_s = told["killed"][1:]
    assert sentence == "The process that talks to lab2 ended with SIGKILL, so the storm was ended."
    assert float(took_s) < 5  # far less than it sleeps


def test_a_storm_ends_when_the_other_host_says_so(told):
    assert told["stops"][0].startswith(told["address"][6])
    assert told["stops"][1] == "lab2 has had enough."


def test_a_host_where_nothing_serves_is_refused_in_a_sentence(told):
    (sentence,) = told["fails"]
    assert "There is no command serve; this version of connstorm must be there" in sentence


@pytest.fixture
def pipes():
    """Return the two ends of a pair of pipes, as a stream each."""
    there_reads, writing = os.pipe()
    reading, there_writes = os.pipe()
    there = Channel(Descriptors(there_reads, there_writes), CLIENT_SPEECH)
    yield Descriptors(reading, writing), there
    with suppress(OSError):  # a test has closed it
        there.close()


def relayed(far, cell_pid):
    """Relay in a thread; return the channel of run-cell, and the thread."""
    own, cell = socket.socketpair()

    def relay():
        with suppress(EOFError):
            relay_loop.RelayLoop(
                FarEnd(far, "192.0.2.2", "192.0.2.1", lambda _: "it ended"), Connection(own), "lab2", cell_pid
            ).run()
        own.close()

    running = threading.Thread(target=relay)
    running.start()
    return Channel(Connection(cell), RELAY_SPEECH), running


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (
            b"".join(frame.packed for frame in frames_of(Hello(PROTOCOL + 1, "connstorm 0.0.1"))),
            f"lab2 runs connstorm 0.0.1, which speaks protocol {PROTOCOL + 1}, but this connstorm",
        ),
        (
            b"Welcome to lab2, please be nice.\n",
            "lab2 sent b'Welcome to lab2, please be nice.', which is not connstorm's protocol",
        ),
    ],
)
def test_a_host_that_says_something_else_is_refused_in_a_sentence(pipes, first, words):
    far, there = pipes
    channel, running = relayed(far, os.getpid())
    os.write(there.stream.writing, first)
    assert words in channel.receive(5).message.reason
    channel.close()
    running.join(5)


def test_the_storm_of_a_host_that_is_silent_is_interrupted(pipes, monkeypatch):
    monkeypatch.setattr(relay_loop, "SILENCE_S", 0.2)
    far, there = pipes
    with subprocess.Popen(["sleep", "10"]) as storm:
        channel, running = relayed(far, storm.pid)
        assert isinstance(there.receive(5).message, Hello)
        there.send(Hello(PROTOCOL, "connstorm 1"))
        assert channel.receive(5).message == Joined("192.0.2.2", "192.0.2.1", "connstorm 1")
        while isinstance(ended := channel.receive(5).message, Beat):
            pass
        assert ended == Ended("lab2 has said nothing for 0.2 s, so the storm was ended.")
        assert storm.wait(5) == -LOSS
        channel.close()
        running.join(5)
    assert not running.is_alive()


def test_beats_are_sent_and_taken_at_both_ends(pipes, monkeypatch):
    monkeypatch.setattr(relay_loop, "BEAT_S", 0.05)
    monkeypatch.setattr(relay_loop, "SILENCE_S", 0.5)
    far, there = pipes
    channel, running = relayed(far, os.getpid())
    there.send(Hello(PROTOCOL, "connstorm 1"))
    beats = 0
    while beats < 20:  # a second
        beats += isinstance(there.receive(5).message, Beat)
        there.send(Beat())
    assert isinstance(channel.receive(5).message, Joined)
    own = 0
    while received := channel.receive(0):
        assert isinstance(received.message, Beat)
        own += 1
    assert own >= 10, "the relay has its own for run-cell"
    channel.send(Ended())
    while not isinstance(there.receive(5).message, Ended):
        pass
    there.close()
    running.join(5)
    assert not running.is_alive()
    channel.close()


@given(sizes=st.lists(st.integers(1, 3 * PIECE_BYTES), max_size=5))
def test_arrays_pass_as_they_were_sent(sizes):
    there_reads, writing = os.pipe()
    reading, there_writes = os.pipe()
    arrays = {f"a{number}": np.arange(size, dtype=np.uint8) for number, size in enumerate(sizes)}
    with Channel(Descriptors(there_reads, there_writes), CLIENT_SPEECH) as there:
        channel, running = relayed(Descriptors(reading, writing), os.getpid())
        there.send(Hello(PROTOCOL, "connstorm 1"))
        assert isinstance(channel.receive(5).message, Joined)
        sending = threading.Thread(target=there.send, args=(answer_of(len(sizes), arrays), arrays))
        sending.start()
        received = channel.receive(5)
        sending.join(5)
        channel.send(Ended())
        while not isinstance(there.receive(5).message, Ended):
            pass
    running.join(5)
    channel.close()
    assert received.arrays.keys() == arrays.keys()
    assert all(np.array_equal(received.arrays[name], array) for name, array in arrays.items())
