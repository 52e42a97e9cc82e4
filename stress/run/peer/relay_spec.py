# SPDX-License-Identifier: MIT
"""What run-cell tells its relay, and what the relay tells it first. Imports no numpy."""

import signal

import msgspec

from stress.model.peer import Transport
from stress.storm.peer.calls import Message

CONNSTORM = "connstorm"
LOSS = signal.SIGUSR1  # from a relay that has joined the other host to run-cell: that is lost


class RelaySpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to reach the other host.

    Attributes:
        peer: as the user wrote it: ``[user@]name[:port]`` for ssh, ``HOST:PORT`` for TLS.
        transport: of the control channel.
        command: that starts connstorm there, as the shell there reads it; for ssh.
        word: the join word, for TLS.
        as_client: whether the other host is one more client; else it serves.
    """

    peer: str
    transport: Transport = Transport.SSH
    command: str = CONNSTORM
    word: str = ""
    as_client: bool = False


class Joined(Message, frozen=True):
    """The control channel is there; between the relay and run-cell only.

    Attributes:
        address: of the other host, to which the control channel leads; empty where a proxy hides it.
        own_address: of this host, from which it leads.
        program: of the other host, with its version.
    """

    address: str
    own_address: str
    program: str
