# SPDX-License-Identifier: MIT
"""Serve one client without ssh: whoever has the join word that is printed here, from the addresses named, over TLS."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_address

from stress.lab import local_addresses, source_filter
from stress.lab.listening import ANYWHERE
from stress.model.errors import LabError, UsageError
from stress.model.peer import ServeLimits
from stress.model.progress import ProgressCallback
from stress.model.text import endpoint_text
from stress.run.peer.invitation import VALID_S, Invitation, accept_client
from stress.run.peer.serving import serve
from stress.storm.peer.agreement import Terms
from stress.storm.peer.channel import Channel, Connection
from stress.storm.peer.message import CLIENT_SPEECH

BACKLOG = 128
DISCARD_PORT = 9  # any will do: connect() of a UDP socket sends nothing


def serve_invited(limits: ServeLimits, port: int, notify: ProgressCallback) -> str:
    """Wait for one client that has the join word, and serve it; return why it ended early, or nothing.

    Args:
        limits: of this host, with the sources from which the client, and its storm, may come.
        port: of the control channel.
        notify: called with what a person at this host has to know.

    Raises:
        UsageError: the limits name no source, or the port cannot be had.
        LabError: nobody came in time, or certificates cannot be made here.
    """
    if not limits.sources:
        raise UsageError("Who may storm this host? Name the address of the other host by --from.")
    sources = source_filter.parse_sources(limits.sources)
    with ExitStack() as stack:
        listening = [
            stack.enter_context(listen_at(address, port, sources)) for address in control_addresses(limits, sources)
        ]
        invitation = Invitation()
        for line in invite(limits, sources, port, invitation.word.text):
            notify(line)
        secured = accept_client(listening, invitation)
    client, own = (str(ip_address(name[0])) for name in (secured.getpeername(), secured.getsockname()))
    notify(f"{client} has joined")
    channel = Channel(Connection(secured), CLIENT_SPEECH, "the client")
    return serve(channel, Terms(limits, (client, own), is_login=False), notify)


def control_addresses(limits: ServeLimits, sources: list[source_filter.Source]) -> list[str]:
    """Return where to listen for the client: at the addresses that may be stormed, or at every one of its families."""
    return limits.addresses or sorted({ANYWHERE[source.version] for source in sources})


def listen_at(address: str, port: int, sources: list[source_filter.Source]) -> socket.socket:
    """Return a socket that listens for the client, for some sources alone.

    Raises:
        UsageError: the address is none of this host, or the port is in use.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        if listening.family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        source_filter.attach_locked(listening, source_filter.source_program(sources))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        if address not in (*ANYWHERE.values(), *local_addresses.list_addresses()):
            raise UsageError(f"{address} is no address of this host; give one of its own by --address.") from error
        raise UsageError(
            f"The client cannot be waited for at {endpoint_text(address, port)}: {error.strerror}; choose another "
            "--port."
        ) from error
    return listening


def invite(limits: ServeLimits, sources: list[source_filter.Source], port: int, word: str) -> Iterator[str]:
    """Yield what a person has to know to let the other host join."""
    names = ", ".join(map(source_filter.source_text, sources))
    yield f"waiting {VALID_S:g} s for one client from {names}; type there, with any scenario and options:"
    own = limits.addresses[0] if limits.addresses else find_own_address(sources)
    yield f"  connstorm run clean --peer {endpoint_text(own, port)} --join {word}"


def find_own_address(sources: list[source_filter.Source]) -> str:
    """Return the address of this host from which it would answer the first source to which it has a way.

    Raises:
        LabError: it has a way to none.
    """
    for source in sources:
        address = str(source.network_address if source.num_addresses == 1 else source.network_address + 1)
        with socket.socket(socket.AF_INET if source.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((address, DISCARD_PORT))
            except OSError:
                continue
            return str(probe.getsockname()[0])
    raise LabError("This host has no route to the addresses of --from; see ip route.")
