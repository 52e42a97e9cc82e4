# SPDX-License-Identifier: MIT
"""Serving sides with one behaviour each, for tests of the relay: ``relay_peers.py BEHAVIOUR serve --stdio``."""

import sys
import time

from stress.model.peer import BEAT_S
from stress.run.protocol import PROTOCOL
from stress.storm.peer.calls import Beat, Ended, Hello, Ping, ReadQueue, ReadReport
from stress.storm.peer.channel import Channel, Descriptors
from stress.storm.peer.message import CLIENT_SPEECH, answer_of

AHEAD_NS = 5_000_000_000  # its clock


def main(behaviour):
    """Serve until the end of standard input."""
    if behaviour == "fails":
        sys.exit("There is no command serve.")
    channel = Channel(Descriptors(0, 1), CLIENT_SPEECH)
    channel.send(Hello(PROTOCOL, "connstorm 0.0.1"))
    beaten_s = 0.0
    while True:
        received = channel.receive(0.1)
        if behaviour != "silent" and time.monotonic() > beaten_s + BEAT_S:
            beaten_s = time.monotonic()
            channel.send(Beat())
        match received and received.message:
            case Ping():
                channel.send(answer_of(time.monotonic_ns() + AHEAD_NS))
            case ReadQueue():
                channel.send(answer_of(7))
            case ReadReport() if behaviour == "stops":
                channel.send(Ended("lab2 has had enough."))
                return
            case Ended():
                return


if __name__ == "__main__":
    main(sys.argv[1])
