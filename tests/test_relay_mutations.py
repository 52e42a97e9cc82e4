# SPDX-License-Identifier: MIT
"""A relay whose serving side sends mutated messages ends the storm with a reason, or passes what run-cell can refuse.

200 messages, each tenth over TLS; ``make mutations`` takes 100,000.
"""

import os
import random
import signal
import socket
import threading
from contextlib import suppress

import pytest
from mutations import FROM_SERVER, mutate
from pestered import TLS_EVERY, connect, shake_hands

from stress.model.errors import ChannelClosedError, ChannelFaultError
from stress.run.peer import relay_loop
from stress.run.peer.far_end import FarEnd
from stress.run.peer.relay import RELAY_SPEECH
from stress.run.peer.relay_spec import LOSS
from stress.run.protocol import PROTOCOL
from stress.storm.peer import calls
from stress.storm.peer.channel import Channel, Connection
from stress.storm.peer.message import CLIENT_SPEECH, answer_of, frames_of

COUNT = int(os.environ.get("CONNSTORM_MUTATIONS", "200"))
HELLO = calls.Hello(PROTOCOL, "a test")
LIMIT_S = 10
MESSAGES = [(HELLO, {}), *FROM_SERVER]
ASKED = (calls.MeasureClock(), calls.ReadQueue(), None)


def serving_side(far, number):
    """Say Hello or not, answer some pings, say something mutated, and go."""
    draw = random.Random(f"relay {number}")
    shake_hands(far)
    with Channel(Connection(far), CLIENT_SPEECH) as channel, suppress(ChannelClosedError):
        if draw.random() < 0.8:
            channel.send(HELLO)
        for _ in range(draw.choice([0, 0, 1, 3])):
            channel.receive(0.01)
            channel.send(answer_of(draw.choice([1, 2, 5, 10**9, -7])))
        channel._unsent = mutate(draw, MESSAGES)
        channel._send_unsent()
        socket.socket.shutdown(far, socket.SHUT_WR)  # over TLS too, as when the process is killed
        while channel.receive(LIMIT_S):
            pass


def cell(own, number, heard):
    """Ask something, and hear what comes until the end."""
    with Channel(Connection(own), RELAY_SPEECH) as channel:
        try:
            if asked := ASKED[number % len(ASKED)]:
                channel.send(asked)
            while received := channel.receive(LIMIT_S):
                heard.append(received.message)
                if isinstance(received.message, calls.Ended):
                    return
            heard.append("nothing")
        except (ChannelClosedError, ChannelFaultError) as error:
            heard.append(error)


def relay_round(number):
    """Relay between the two; return what run-cell heard."""
    (near, far), (its, own) = connect(is_secured=number % TLS_EVERY == 0), socket.socketpair()
    heard = []
    threads = [
        threading.Thread(target=serving_side, args=(far, number)),
        threading.Thread(target=cell, args=(own, number, heard)),
    ]
    for thread in threads:
        thread.start()
    shake_hands(near)
    far_end = FarEnd(Connection(near), "10.0.0.2", "10.0.0.1", lambda _: "it went away")
    with its, near:
        with suppress(EOFError):
            relay_loop.RelayLoop(far_end, Connection(its), "lab2", os.getpid()).run()
        near.close()
        for thread in threads:
            thread.join(LIMIT_S)
    assert not any(thread.is_alive() for thread in threads)
    return heard


def flood(far):
    """Say more than anybody asked for, as long as it is taken, and go."""
    far.settimeout(LIMIT_S)
    answers = b"".join(frame.packed for frame in frames_of(answer_of("a" * 1000))) * 1000
    with far, suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
        far.sendall(b"".join(frame.packed for frame in frames_of(HELLO)))
        while True:
            far.sendall(answers)


def test_a_storm_ends_though_nobody_reads_what_a_serving_side_sends(monkeypatch):
    """Run-cell reads nothing while it storms, and is interrupted even if there is no room left to tell it why."""
    monkeypatch.setattr(relay_loop, "SILENCE_S", 0.2)
    (near, far), (its, own) = socket.socketpair(), socket.socketpair()
    flooding = threading.Thread(target=flood, args=(far,))
    reasons = []

    def interrupt(*_):  # what run-cell does then
        with Channel(Connection(own), RELAY_SPEECH) as channel:
            while not reasons:
                message = channel.receive(LIMIT_S).message
                reasons.extend([message.reason] if isinstance(message, calls.Ended) else [])

    def handle(*_):
        threading.Thread(target=interrupt).start()

    before = signal.signal(LOSS, handle)
    flooding.start()
    with near, its, suppress(EOFError):
        far_end = FarEnd(Connection(near), "10.0.0.2", "10.0.0.1", lambda _: "it went away")
        relay_loop.RelayLoop(far_end, Connection(its), "lab2", os.getpid()).run()
    flooding.join()
    signal.signal(LOSS, before)
    assert reasons == ["lab2 has sent more than it was asked for, so the storm was ended."]


@pytest.mark.timeout(7200)
def test_a_relay_ends_the_storm_with_a_reason_or_passes_what_run_cell_can_refuse():
    interrupts = []
    before = signal.signal(LOSS, lambda *_: interrupts.append(1))
    ended = faults = 0
    try:
        for number in range(COUNT):
            interrupts.clear()
            heard = relay_round(number)
            last = heard[-1]
            assert isinstance(last, calls.Ended | ChannelFaultError), (number, heard)
            if isinstance(last, calls.Ended):
                assert last.reason
                assert len(interrupts) == (len(heard) > 1), (number, heard)
            ended += isinstance(last, calls.Ended)
            faults += isinstance(last, ChannelFaultError)
    finally:
        signal.signal(LOSS, before)
    assert min(ended, faults)
