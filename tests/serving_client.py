# SPDX-License-Identifier: MIT
"""A client that speaks to ``connstorm serve --stdio`` without ssh, as tests of the serving side need it."""

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass

from command import PROGRAM
from two_hosts import STORM

from stress.model.plan import Plan
from stress.model.world import Topology, World
from stress.run.protocol import PROTOCOL
from stress.storm.peer import calls
from stress.storm.peer.caller import Caller
from stress.storm.peer.channel import Channel, Descriptors
from stress.storm.peer.message import SERVER_SPEECH

PORT = 5000
ANSWER_S = 30.0
# Connects from an address as often as is said, as fast as it can, and says how often it could.
RAW_CLIENT = """
import socket, sys
source, target, port, attempts = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
made = []
for _ in range(attempts):
    client = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
    client.settimeout(0.5)
    try:
        client.bind((source, 0))
        client.connect((target, port))
    except OSError as error:
        print(len(made), type(error).__name__)
        break
    made.append(client)
else:
    print(len(made), "all")
"""
# Connects at a rate that is not even, as the shares of each tenth of a second say, and says how long it could.
UNEVEN_CLIENT = """
import socket, struct, sys, time
source, target, port, rate = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
shares = [float(share) for share in sys.argv[5].split(",")]
unit = rate * 0.1 * len(shares) / sum(shares)
begun_s, due, made = time.monotonic(), 0.0, 0
try:
    for tenth in range(600):
        due += shares[tenth % len(shares)] * unit
        while made + 1 <= due:
            client = socket.socket()
            client.settimeout(5)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.bind((source, 0))
            client.connect((target, port))
            client.close()
            made += 1
        time.sleep(max(0, begun_s + (tenth + 1) * 0.1 - time.monotonic()))
except OSError as error:
    print(made, time.monotonic() - begun_s, type(error).__name__)
else:
    print(made, time.monotonic() - begun_s, "all")
"""


@dataclass
class Served:
    """A serving side, and the channel to it."""

    process: object
    channel: Channel
    caller: Caller
    hello: calls.Hello
    is_open: bool = True

    def call(self, call):
        """Make a call and return the value of its answer."""
        return self.caller.call(call)

    def hang_up(self):
        """Close the channel, once."""
        if self.is_open:
            self.channel.close()
            self.is_open = False

    def ended(self):
        """Read until the end; return the reason."""
        while True:
            received = self.channel.receive(ANSWER_S)
            assert received, "the serving side ends in time"
            if isinstance(received.message, calls.Ended):
                return received.message.reason


@contextmanager
def serving(host, *options, protocol=PROTOCOL, command=PROGRAM):
    """Start the serving side on a host and exchange Hello."""
    process = host.start(*command, "serve", "--stdio", *options)
    reading, writing = os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno())
    process.stdin.close()  # so that the channel's is the only one
    process.stdin = None
    channel = Channel(Descriptors(reading, writing), SERVER_SPEECH, "the serving side")
    channel.send(calls.Hello(protocol, "a test"))
    received = channel.receive(ANSWER_S)
    assert received, "the serving side says Hello"
    served = Served(process, channel, Caller(channel), received.message)
    try:
        yield served
    finally:
        served.hang_up()


def plan_across(family=4, **fields):
    """Return the plan of a storm from the client's to the server's host."""
    usual = {"scenario": "clean", "attempts": 50, "host": True, "world": World(topology=Topology.PEER)}
    usual |= {"family": family, "source": STORM["client"][family], "target": STORM["server"][family]}
    return Plan(**usual | {"target_port": PORT} | fields)


def ask(plan, *, change=False, sources=None):
    """Return the question whether a plan may be carried out."""
    return calls.Ask(plan, [plan.source] if sources is None else sources, change)


def storm(hosts, attempts, *, source=None, family=4, port=PORT):
    """Start a client that keeps to no limit."""
    addresses = (source or STORM["client"][family], STORM["server"][family])
    return hosts.client.start(sys.executable, "-c", RAW_CLIENT, *addresses, port, attempts)


def storm_unevenly(hosts, rate_per_s, shares):
    """Start a client that connects at a rate, spread over tenths of a second by shares, until it is refused."""
    addresses = (STORM["client"][4], STORM["server"][4])
    return hosts.client.start(
        sys.executable, "-c", UNEVEN_CLIENT, *addresses, PORT, rate_per_s, ",".join(map(str, shares))
    )
