# SPDX-License-Identifier: MIT
"""Sessions that get mutated messages, one after the other as long as they survive; each tenth of them over TLS."""

import functools
import random
import socket
import ssl
import threading
from contextlib import suppress

from mutations import mutate

from stress.model.errors import ChannelClosedError, ChannelFaultError
from stress.run.peer.certificate import client_context, make_certificate, server_context
from stress.storm.peer import calls
from stress.storm.peer.channel import Channel, Connection
from stress.storm.peer.message import CLIENT_SPEECH, SERVER_SPEECH, frames_of

CHUNK = 1000  # messages to the sessions of one process
MOST = 40  # messages to one session
TLS_EVERY = 10
QUIET_S = 0.05  # a call that waits does so for longer
END_S = 10
HELLO = calls.Hello(3, "a test")
LAST = calls.BeginAct("the last")  # no plan has it: its refusal tells that all before it was carried out


@functools.cache
def secured_by():
    """Return the TLS settings of both ends."""
    _, pem = make_certificate()
    return server_context(pem), client_context()


def connect(*, is_secured):
    """Return two ends of a connection; over TLS each has to shake hands."""
    near, far = socket.socketpair()
    for end in (near, far):
        end.settimeout(END_S)
    if not is_secured:
        return near, far
    server, client = secured_by()
    return (
        server.wrap_socket(near, server_side=True, do_handshake_on_connect=False),
        client.wrap_socket(far, do_handshake_on_connect=False),
    )


def shake_hands(end):
    """Do what an end over TLS has to do first."""
    if isinstance(end, ssl.SSLSocket):
        end.do_handshake()


class Pesterer:
    """Leads one session to a stage, and then sends mutated messages until it ends; to be used once."""

    def __init__(self, name, messages, stages, often):
        """Be the one of a name; stages are lists of messages, of which one is drawn as often as is said."""
        self.name, self.messages = name, messages
        self.stages, self.often = stages, often
        self.sent = 0

    def pester(self, serve, first, most, prepare=lambda _: None):
        """Let a session be served, and pester it.

        Args:
            serve: serves a channel in this thread, and returns the session.
            first: number of the first mutated message.
            most: of these.
            prepare: called before each message of the stage.
        """
        self.stage = random.Random(f"{self.name} {first}").choices(self.stages, self.often)[0]
        near, far = connect(is_secured=first % TLS_EVERY == 0)
        talking = threading.Thread(target=self.talk, args=(far, first, min(most, MOST), prepare))
        talking.start()
        shake_hands(near)
        with Channel(Connection(near), CLIENT_SPEECH, "the client") as channel:
            session = serve(channel)
            near.shutdown(socket.SHUT_RDWR)  # as the end of the process does
            talking.join(END_S)
        assert not talking.is_alive()
        return session

    def talk(self, far, first, most, prepare):
        """Say what leads to the stage, then what is mutated as long as the session goes on, and go."""
        shake_hands(far)
        with Channel(Connection(far), SERVER_SPEECH) as channel, suppress(ChannelClosedError, ChannelFaultError):
            for message in self.stage:
                prepare(message)
                channel.send(message)
                while isinstance((answer := channel.receive(END_S).message), calls.Beat):
                    pass
                assert not isinstance(answer, calls.Refused), answer.text
            for number in range(first, first + most):
                bad = mutate(random.Random(f"{self.name} {number}"), self.messages)
                self.sent += 1
                channel._unsent = bad + b"".join(frame.packed for frame in frames_of(LAST))
                channel._send_unsent()
                if not is_carried_out(channel, 1 + bad.count(type(LAST).__name__.encode())):
                    return


def is_carried_out(channel, refusals):
    """Wait for the refusal of the last message, the last of some; return whether it came."""
    while received := channel.receive(QUIET_S):
        if isinstance(received.message, calls.Refused):
            refusals -= type(LAST).__name__ in received.message.text or LAST.name in received.message.text
            if not refusals:
                return True
    return False
