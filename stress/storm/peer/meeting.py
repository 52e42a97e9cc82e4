# SPDX-License-Identifier: MIT
"""The first connection across a link, before anything else: whether it comes to the host that has agreed.

The serving side listens for one connection, the client makes one, and the serving side tells which it has accepted. A
storm whose 4-tuple is another one there, or that another host answers, does not begin.
"""

import errno
import socket
from contextlib import suppress
from ipaddress import ip_address

from stress.lab import local_addresses, reachability, source_filter
from stress.model.errors import LabError, UsageError
from stress.model.plan import Plan
from stress.model.text import endpoint_text
from stress.storm.peer.answers import Met
from stress.storm.peer.calls import BeginMeeting, EndMeeting
from stress.storm.peer.joined_peer import JoinedPeer

ANSWER_LIMIT_S = 3.5  # as of reachability.connect_once()
ACCEPT_LIMIT_S = 2.5
WORD_MAX = 64  # characters
READ_LIMIT_S = 2.0  # for a client to read the word and close
LIMIT_MAX_S = 10.0  # for which a client may let the serving side wait


class Meeting:
    """The serving side: a socket that listens for the first connection. Closes by ``end``, or as a context."""

    def __init__(self, plan: Plan, sources: list[source_filter.Source], word: str = "") -> None:
        """Listen at the plan's target for some sources alone; say a word to who comes.

        Raises:
            UsageError, LabError: as of ``reachability.bind_server``.
        """
        self.word = word.encode()
        self.listening = reachability.bind_server(plan.target, plan.target_port)
        source_filter.attach_locked(self.listening, source_filter.source_program(sources))
        self.listening.listen(1)

    def end(self, limit_s: float) -> Met | None:
        """Return the two ends of the connection that comes within a limit, which is reset; None: none came."""
        with self.listening:
            self.listening.settimeout(min(max(limit_s, 0.01), LIMIT_MAX_S))
            try:
                accepted, (client, client_port, *_) = self.listening.accept()
            except TimeoutError:
                return None
            with accepted:
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reachability.RESET)
                server, server_port, *_ = accepted.getsockname()
                if self.word:
                    accepted.settimeout(READ_LIMIT_S)
                    with suppress(OSError):  # it resets the connection when it has read the word
                        accepted.sendall(self.word)
                        accepted.recv(1)
                return Met(client, client_port, server, server_port)

    def close(self) -> None:
        """Stop listening."""
        self.listening.close()


def meet_server(peer: JoinedPeer, plan: Plan) -> None:
    """Make the first connection, from a port that is not ephemeral; nothing is left of it.

    Raises:
        UsageError: the plan's source is no address of this host, or its target none that can be listened at.
        LabError: the connection did not come to the serving host, or not with the client's own address.
    """
    if str(ip_address(plan.source)) not in local_addresses.list_addresses():
        raise UsageError(f"{plan.source} is no address of this host; give one of its own by --source.")
    peer.caller.call(BeginMeeting())
    failure = "it was answered, by another host or another program"
    with reachability.bind_client(plan.source) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reachability.RESET)
        client.settimeout(ANSWER_LIMIT_S)
        own = client.getsockname()[:2]
        try:
            client.connect((plan.target, plan.target_port))
        except TimeoutError:
            failure = f"no answer came within {ANSWER_LIMIT_S:g} s, so something between them drops it"
        except OSError as error:
            failure = f"{errno.errorcode.get(error.errno or 0, 'an error')} ({error.strerror})"
        met: Met | None = peer.caller.call(EndMeeting(ACCEPT_LIMIT_S if failure.startswith("it was") else 0))
    target = endpoint_text(plan.target, plan.target_port)
    if met is None:
        raise LabError(
            f"The first connection to {target} did not come to {peer.name}: {failure}; see the routes and firewalls of "
            "both hosts and of those between (ip route get, nft list ruleset), or give another address by --listen. "
            "Nothing more was sent."
        )
    if (ip_address(met.client), met.client_port) != (ip_address(own[0]), own[1]) or (
        ip_address(met.server),
        met.server_port,
    ) != (ip_address(plan.target), plan.target_port):
        raise LabError(
            f"A NAT lies between: {peer.name} has the connection from {endpoint_text(*own)} to {target} as one from "
            f"{endpoint_text(met.client, met.client_port)} to {endpoint_text(met.server, met.server_port)}; a storm "
            "across a link needs a way on which no address changes. Nothing more was sent."
        )
