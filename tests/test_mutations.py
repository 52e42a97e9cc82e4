# SPDX-License-Identifier: MIT
"""Whatever comes by the control channel is a valid message or a ChannelFaultError, at once and in bounded memory.

2,000 mutated messages of each side; ``make mutations`` takes 100,000.
"""

import resource
import socket
from contextlib import closing

import pytest
from mutations import COUNT, from_client, from_server

from stress.model.errors import ChannelClosedError, ChannelFaultError
from stress.storm.peer import calls
from stress.storm.peer.channel import Channel, Connection
from stress.storm.peer.message import CLIENT_SPEECH, SERVER_SPEECH, decode_value

ASKED = [call for call in calls.RESULTS if call is not calls.Ask] + [calls.Ask, calls.EndAct]
MEMORY_KIB = 64 << 10
LIMIT_S = 5


def hear(data, speech):
    """Return the messages that a channel makes of bytes, and the error with which it ends."""
    near, far = socket.socketpair()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    received = []
    with Channel(Connection(near), speech) as channel:
        with closing(far):
            far.settimeout(LIMIT_S)
            far.sendall(data)
        while True:
            try:
                message = channel.receive(LIMIT_S)
            except (ChannelClosedError, ChannelFaultError) as error:
                return received, error
            assert message, "it waits for what cannot come"
            received.append(message)


def peak_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("mutated", "speech"), [(from_client, CLIENT_SPEECH), (from_server, SERVER_SPEECH)])
def test_a_mutated_message_is_valid_or_a_fault(mutated, speech):
    before_kib = peak_kib()
    valid = faults = closed = values = 0
    for number in range(COUNT):
        received, error = hear(mutated(number), speech)
        valid += len(received)
        faults += isinstance(error, ChannelFaultError)
        closed += isinstance(error, ChannelClosedError)
        assert len(str(error)) < 500
        assert "\n" not in str(error)
        assert all(isinstance(message.message, speech.types) for message in received)
        for message in received:
            if isinstance(message.message, calls.Answer):
                values += is_value(ASKED[number % len(ASKED)], message.message)
    assert peak_kib() - before_kib < MEMORY_KIB
    assert min(valid, faults, closed) > COUNT // 20  # or these are not the mutations that were wanted
    assert values or speech is CLIENT_SPEECH


def is_value(kind, answer):
    """Tell whether an answer has a value for a call of a class."""
    try:
        decode_value(kind, answer)
    except ChannelFaultError:
        return False
    return True


def test_a_mutated_message_can_be_made_again():
    assert from_client(3) == from_client(3) != from_client(4)
    assert from_server(3) == from_server(3) != from_server(4)
