# SPDX-License-Identifier: MIT
"""A relay's process that reaches nobody and behaves as its peer is called: ``relay_stand_in.py DESCRIPTOR PID``."""

import os
import socket
import sys
import time

import msgspec

from stress.run.peer.relay_spec import LOSS, Joined, RelaySpec
from stress.storm.peer.calls import Describe, Ended, MeasureClock, Ping, ReadQueue, Refused
from stress.storm.peer.channel import Channel, Connection
from stress.storm.peer.message import CLIENT_SPEECH, answer_of


def main(descriptor, cell_pid):
    """Behave."""
    spec = msgspec.json.decode(sys.stdin.buffer.read(), type=RelaySpec)
    channel = Channel(Connection(socket.socket(fileno=descriptor)), CLIENT_SPEECH)
    if spec.peer == "refuses":
        channel.send(Refused("192.0.2.2 does not answer this join word.", "LabError"))
        return
    channel.send(Joined("192.0.2.2", "192.0.2.1", "connstorm 1"))
    if spec.peer == "lost at once":
        lose(channel, spec, cell_pid)
    while True:
        match channel.receive().message:
            case Ping():
                channel.send(answer_of(time.monotonic_ns()))
            case ReadQueue():  # it is lost as soon as it has answered
                channel.send(answer_of(7))
                lose(channel, spec, cell_pid)
            case MeasureClock():  # it is lost, and says why later
                os.kill(cell_pid, LOSS)
                time.sleep(0.2)
                lose(channel, spec, None)
            case Describe():
                os._exit(1)
            case Ended():
                if spec.peer == "lost at the end":
                    os.kill(cell_pid, LOSS)
                return


def lose(channel, spec, cell_pid):
    """Say that the other host is lost, and wait for the end."""
    channel.send(Ended(f"{spec.peer} was lost."))
    if cell_pid:
        os.kill(cell_pid, LOSS)
    while not isinstance(channel.receive().message, Ended):
        pass
    sys.exit()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
