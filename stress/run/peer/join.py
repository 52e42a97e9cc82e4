# SPDX-License-Identifier: MIT
"""The client's side of joining a serving side over TLS with a join word."""

import socket
import ssl
from contextlib import ExitStack

from stress.lab.quiet_port import connect_quietly
from stress.model.errors import LabError
from stress.model.peer import SILENCE_S
from stress.model.text import endpoint_text
from stress.run.peer.certificate import client_context
from stress.run.peer.join_word import JoinWord, draw_nonce


def join_host(host: str, port: int, word: JoinWord) -> ssl.SSLSocket:
    """Connect to a serving side; return the connection when it has the certificate of the word and knows ours.

    Whether the serving side has accepted the word shows in what it says next: it closes the connection otherwise.

    Raises:
        LabError: nobody is there, nobody answers the word, or it is another host that answers.
    """
    place = endpoint_text(host, port)
    try:
        connected = connect_quietly(host, port, SILENCE_S)
    except OSError as error:
        raise LabError(
            f"{place} cannot be reached: {error.strerror or error}; is connstorm serve still running there, does it "
            "permit this host's address, and is there no firewall between?"
        ) from error
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with ExitStack() as stack:
        secured = client_context().wrap_socket(connected, do_handshake_on_connect=False)  # it has the descriptor now
        stack.callback(secured.close)
        nonce = draw_nonce()
        show_knock(secured, word.knock(nonce), place)
        show_proof(secured, word, nonce, place)
        stack.pop_all()
    return secured


def show_knock(secured: ssl.SSLSocket, knock: bytes, place: str) -> None:
    """Send the knock in clear, and do the handshake of TLS.

    Raises:
        LabError: the other side does not go on after the knock.
    """
    try:
        socket.socket.sendall(secured, knock)
        secured.do_handshake()
    except OSError as error:
        raise LabError(
            f"{place} does not answer this join word ({reason_text(error)}); a word is good for one client and one "
            "minute: run connstorm serve there again, and give the word that it prints."
        ) from error


def show_proof(secured: ssl.SSLSocket, word: JoinWord, nonce: bytes, place: str) -> None:
    """Look at the certificate, and send the proof to its owner.

    Raises:
        LabError: it is not the certificate of the word, or the other side is gone.
    """
    if not word.is_certificate(secured.getpeercert(binary_form=True)):
        raise LabError(
            f"{place} has another certificate than the join word names: that is not the host that printed it, or "
            "somebody between answers in its place. Nothing was sent to it."
        )
    try:
        secured.sendall(word.proof(nonce))
    except OSError as error:
        raise LabError(f"{place} closed the connection ({reason_text(error)}).") from error


def reason_text(error: OSError) -> str:
    """Return why a connection failed, without OpenSSL's numbers and file names."""
    if isinstance(error, TimeoutError):
        return f"nothing for {SILENCE_S:g} s"
    return str(getattr(error, "reason", None) or error.strerror or error).replace("_", " ").lower()
