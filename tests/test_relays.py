# SPDX-License-Identifier: MIT
"""Whenever a host is lost, this process is told so in a sentence; only a SIGINT of the user interrupts it."""

import os
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from stress.lab.wait import wait_until
from stress.model.errors import ChannelClosedError, LabError
from stress.run.peer import relay
from stress.run.peer.relay_spec import LOSS, RelaySpec
from stress.run.peer.relays import Relays
from stress.storm.peer.calls import Describe, MeasureClock, Ping, ReadQueue
from stress.storm.peer.channel import Channel

LIMIT_S = 60


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    """Let relays be stand-ins, and SIGINT and the relays' signals be as they were afterwards."""
    command = (sys.executable, str(Path(__file__).parent / "relay_stand_in.py"))
    monkeypatch.setattr(relay, "COMMAND", command)
    numbers = (signal.SIGINT, signal.SIGCHLD, LOSS)
    before = [signal.getsignal(number) for number in numbers]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert [signal.getsignal(number) for number in numbers[1:]] == before[1:]
    signal.signal(signal.SIGINT, before[0])


@contextmanager
def relays_end(error, reason=None):
    """Return relays whose context ends with an error for a reason."""
    with pytest.raises(error, match=reason), Relays() as relays:
        yield relays


def reach(relays, peer):
    """Reach a peer."""
    return relays.reach(RelaySpec(peer=peer))


def receive_after(monkeypatch, is_time):
    """Let this process receive nothing before something has happened."""
    receive = Channel.receive

    def receive_late(channel, limit_s=None):
        assert wait_until(is_time, LIMIT_S)
        return receive(channel, limit_s)

    monkeypatch.setattr(Channel, "receive", receive_late)


def has_child_ended():
    """Return whether a child has ended; it is not reaped."""
    return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def test_a_refusal_is_read_though_the_relay_has_ended_before(monkeypatch):
    receive_after(monkeypatch, has_child_ended)
    with relays_end(LabError, "does not answer this join word") as relays:
        reach(relays, "refuses")


def test_a_host_that_is_lost_while_it_is_being_joined(monkeypatch):
    with relays_end(LabError, "lost at once was lost") as relays, monkeypatch.context() as patch:
        receive_after(patch, lambda: relays.has_noticed)
        reach(relays, "lost at once")


def test_a_host_that_is_lost_while_another_one_is_being_joined(monkeypatch):
    with relays_end(LabError, "good was lost") as relays:
        assert reach(relays, "good").caller.call(Ping())
        relays.relays[0].channel.send(ReadQueue())
        with monkeypatch.context() as patch:
            receive_after(patch, lambda: relays.has_noticed)
            reach(relays, "lab3")


def test_a_host_that_is_lost_while_a_relay_is_being_started_leaves_none(monkeypatch):
    make_pair = socket.socketpair

    def make_pair_late():
        good.channel.send(ReadQueue())  # it is lost now, and not before
        assert wait_until(lambda: relays.has_noticed, LIMIT_S)
        return make_pair()

    with relays_end(LabError, "good was lost") as relays:
        good = reach(relays, "good")
        monkeypatch.setattr(socket, "socketpair", make_pair_late)
        reach(relays, "lab3")
    assert [one.process.returncode is not None for one in relays.relays] == [True, True]


@pytest.mark.parametrize(
    ("call", "reason"), [(MeasureClock(), "good was lost"), (Describe(), "The process that talks to good ended with")]
)
def test_a_host_that_is_lost_while_its_answer_is_waited_for_tells_why_and_interrupts_nothing(call, reason):
    with relays_end(ChannelClosedError, reason) as relays:
        caller = reach(relays, "good").caller
        try:
            caller.call(call)
        finally:
            os.kill(os.getpid(), LOSS)  # it may come as late as this
            time.sleep(0.1)


def test_a_host_that_is_lost_just_after_an_answer(monkeypatch):
    with relays_end(LabError, "good was lost") as relays:
        caller = reach(relays, "good").caller
        with monkeypatch.context() as patch:
            receive_after(patch, lambda: relays.has_noticed)
            caller.call(ReadQueue())
        time.sleep(LIMIT_S)


def test_a_relay_that_is_killed_while_nothing_is_asked_of_it():
    with relays_end(LabError, "The process that talks to good ended with SIGKILL") as relays:
        reach(relays, "good").process.kill()
        time.sleep(LIMIT_S)


def test_a_relay_that_is_stopped_is_given_up(monkeypatch):
    monkeypatch.setattr(relay.RelayedCaller, "patience_s", 0.3)
    said = "The process that talks to good has said nothing for 0.3 s, so the storm was ended."
    with relays_end(ChannelClosedError, said) as relays:
        stopped = reach(relays, "good")
        assert stopped.caller.call(Ping())
        stopped.process.send_signal(signal.SIGSTOP)
        stopped.caller.call(Ping())
    assert stopped.process.returncode == -signal.SIGKILL


def test_a_second_loss_does_not_interrupt_what_the_first_one_has_interrupted():
    with relays_end(LabError, "good was lost") as relays:
        first, second = reach(relays, "good"), reach(relays, "lab3")
        try:
            first.channel.send(ReadQueue())
            time.sleep(LIMIT_S)
        finally:
            second.process.kill()
            second.process.wait()


def test_what_is_lost_when_nothing_more_is_wanted_of_it_is_no_loss():
    for _ in range(5):
        with Relays() as relays:
            answer = reach(relays, "lost at the end").caller.call(Ping())
        assert answer


def test_a_sigint_of_the_user_is_one():
    with relays_end(KeyboardInterrupt) as relays:
        reach(relays, "good")
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        time.sleep(LIMIT_S)
