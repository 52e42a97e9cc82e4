# SPDX-License-Identifier: MIT
"""Serve one client of a storm across a link, on standard input and output, as ssh starts it."""

import os
from ipaddress import ip_address

import stress
from stress.model.peer import ServeLimits
from stress.model.progress import ProgressCallback, ignore_progress
from stress.run.protocol import PROTOCOL
from stress.storm.peer.agreement import Terms
from stress.storm.peer.calls import Hello
from stress.storm.peer.channel import Channel, Descriptors
from stress.storm.peer.client_session import ClientSession
from stress.storm.peer.end_changes import Control
from stress.storm.peer.message import CLIENT_SPEECH
from stress.storm.peer.session import Session

STDIN, STDOUT, STDERR = 0, 1, 2


def serve_stdio(limits: ServeLimits, *, as_client: bool = False) -> str:
    """Serve the client at standard input and output, or be one more of its clients; return why it ended early.

    From then on they are the channel's alone: what anything else prints goes to standard error.
    """
    reading, writing = os.dup(STDIN), os.dup(STDOUT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, STDIN)
    os.dup2(STDERR, STDOUT)
    os.close(nothing)
    channel, terms = Channel(Descriptors(reading, writing), CLIENT_SPEECH, "the client"), Terms(limits, find_control())
    return storm_with(channel, terms) if as_client else serve(channel, terms)


def find_control() -> Control | None:
    """Return the addresses between which ssh runs, the client's first, as sshd tells them; None where it does not."""
    match os.environ.get("SSH_CONNECTION", "").split():
        case [client, _, server, _] if is_address(client) and is_address(server):
            return client, server
    return None


def is_address(text: str) -> bool:
    """Return whether a text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def storm_with(channel: Channel, terms: Terms) -> str:
    """Be a further client of the storm that the other end of a new channel leads; return as ``serve`` does."""
    return ClientSession(channel, own_hello(), terms).run()


def own_hello() -> Hello:
    """Return what this end says first."""
    return Hello(PROTOCOL, f"connstorm {stress.__version__}")


def serve(channel: Channel, terms: Terms, notify: ProgressCallback = ignore_progress) -> str:
    """Serve the client at the other end of a new channel; return why it ended early, or nothing."""
    return Session(channel, own_hello(), terms, notify).run()
