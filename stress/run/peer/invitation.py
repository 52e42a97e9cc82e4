# SPDX-License-Identifier: MIT
"""The serving side's end of joining over TLS: one client, which has the join word, and no answer to anybody else.

A connection gets not one byte before it has shown the knock, which nobody can make without the word and which counts
once. Each stage has a time limit, and there are at most PENDING_MAX connections: a new one takes the place of the
oldest that has not knocked, so that strangers who are slow keep nobody else out. What is refused is reset, not closed,
so that no FIN waits for its acknowledgement.
"""

import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress

from stress.model.errors import LabError
from stress.run.peer.certificate import make_certificate, server_context
from stress.run.peer.join_word import DIGEST_BYTES, KNOCK_BYTES, NONCE_BYTES, JoinWord, draw_word

VALID_S = 60.0
KNOCK_S = 2.0  # a client knocks as soon as it is connected
JOIN_S = 5.0  # from the connection to the proof
PENDING_MAX = 32
RESET = struct.pack("ii", 1, 0)  # struct linger: close() sends RST


class Invitation:
    """A join word, its certificate, and until when it is good."""

    def __init__(self, valid_s: float = VALID_S) -> None:
        """Make a certificate and a word; the time runs from now.

        Raises:
            LabError: the library that makes certificates is not installed.
        """
        certificate, pem = make_certificate()
        self.word: JoinWord = draw_word(certificate)
        self.context = server_context(pem)
        self.end_s = time.monotonic() + valid_s
        self.nonces: set[bytes] = set()  # of right knocks, so only who has the word can add to them

    @property
    def remaining_s(self) -> float:
        """For how long it is good."""
        return max(0.0, self.end_s - time.monotonic())


class Guest:
    """A connection that has not joined yet."""

    def __init__(self, connected: socket.socket, invitation: Invitation) -> None:
        """Begin with a connection of which nothing is known."""
        connected.settimeout(0)
        self.socket, self.invitation = connected, invitation
        self.data = b""
        self.nonce = b""  # of a right knock
        self.events = select.POLLIN
        now_s = time.monotonic()
        self.knock_end_s, self.end_s = now_s + KNOCK_S, now_s + JOIN_S
        self.stages = self._join()

    @property
    def remaining_s(self) -> float:
        """For how long it may still take."""
        return max(0.0, (self.end_s if self.nonce else self.knock_end_s) - time.monotonic())

    def step(self) -> ssl.SSLSocket | None:
        """Go on as far as what has come permits; return the connection when it has joined.

        Raises:
            PermissionError: it has no right word, or has used it before.
            OSError: the connection has failed, or is no TLS.
        """
        try:
            next(self.stages)
        except StopIteration as end:
            joined: ssl.SSLSocket = end.value
            return joined
        return None

    def _join(self) -> Generator[None, None, ssl.SSLSocket]:
        """Yield where more must come first; return the connection that has joined."""
        yield from self._read(KNOCK_BYTES)
        word = self.invitation.word
        nonce = self.data[:NONCE_BYTES]
        if not word.is_knock(self.data) or nonce in self.invitation.nonces:
            raise PermissionError
        self.invitation.nonces.add(nonce)
        self.nonce, self.data = nonce, b""
        # Only now may anything be sent.
        secured = self.invitation.context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
        self.socket = secured
        yield from self._wait_for(secured.do_handshake)
        yield from self._read(DIGEST_BYTES)
        if not word.is_proof(self.data, nonce):
            raise PermissionError
        return secured

    def _read(self, count: int) -> Iterator[None]:
        """Wait until ``data`` has so many bytes; it never gets more, because those are for what comes next."""
        while len(self.data) < count:
            yield from self._wait_for(lambda: self._receive(count - len(self.data)))

    def _receive(self, count: int) -> None:
        data = self.socket.recv(count)
        if not data:
            raise ConnectionResetError
        self.data += data

    def _wait_for(self, work: Callable[[], None]) -> Iterator[None]:
        """Wait until work can be done; ``events`` says for what it waits."""
        while True:
            try:
                work()
            except (BlockingIOError, ssl.SSLWantReadError):
                self.events = select.POLLIN
            except ssl.SSLWantWriteError:
                self.events = select.POLLOUT
            else:
                return
            yield

    def refuse(self) -> None:
        """Reset the connection."""
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.socket.close()


class Door:
    """Where guests come in."""

    def __init__(self, listening: Sequence[socket.socket], invitation: Invitation) -> None:
        """Own the listening sockets from now on."""
        self.listening = {server.fileno(): server for server in listening}
        self.invitation = invitation
        self.guests: dict[int, Guest] = {}
        for server in listening:
            server.settimeout(0)

    def step(self) -> ssl.SSLSocket | None:
        """Wait for something to happen, and do what there is to do; return the connection of who has joined."""
        for descriptor in self._wait():
            server = self.listening.get(descriptor)
            for number in self._take_guests(server) if server else [descriptor]:
                if joined := self._step_guest(number):
                    return joined
        for number in [number for number, guest in self.guests.items() if not guest.remaining_s]:
            self._refuse(number)
        return None

    def _wait(self) -> list[int]:
        """Return the descriptors that are ready; wait until a guest is late or the word is, at most."""
        poll = select.poll()
        for descriptor in self.listening:
            poll.register(descriptor, select.POLLIN)
        for descriptor, guest in self.guests.items():
            poll.register(descriptor, guest.events)
        waiting_s = min([self.invitation.remaining_s, *(guest.remaining_s for guest in self.guests.values())])
        return [descriptor for descriptor, _ in poll.poll(waiting_s * 1000 + 1)]

    def _take_guests(self, server: socket.socket) -> list[int]:
        """Accept who waits at a listening socket; return their descriptors."""
        taken = []
        with suppress(BlockingIOError, ConnectionAbortedError):
            for _ in range(PENDING_MAX):
                connected, _ = server.accept()
                self._make_room()
                taken.append(connected.fileno())
                self.guests[connected.fileno()] = Guest(connected, self.invitation)
        return taken

    def _make_room(self) -> None:
        """Refuse the oldest guest that has not knocked, or else the oldest, when there are too many."""
        if len(self.guests) >= PENDING_MAX:
            strangers = [number for number, guest in self.guests.items() if not guest.nonce]
            self._refuse((strangers or list(self.guests))[0])

    def _step_guest(self, number: int) -> ssl.SSLSocket | None:
        guest = self.guests.get(number)
        if not guest:
            return None  # it had to make room
        try:
            joined = guest.step()
        except OSError:  # no right word, or no TLS, or gone: there is nobody to tell
            self._refuse(number)
            return None
        if joined:
            del self.guests[number]
        return joined

    def _refuse(self, number: int) -> None:
        self.guests.pop(number).refuse()

    def close(self) -> None:
        """Reset all guests, and let nobody in any more."""
        for number in list(self.guests):
            self._refuse(number)
        for server in self.listening.values():
            server.close()


def accept_client(listening: Sequence[socket.socket], invitation: Invitation) -> ssl.SSLSocket:
    """Wait for the client that has the word; return its connection, which is non-blocking.

    Args:
        listening: sockets that listen, with the filter of sources; they are closed in the end, whatever happens, and
            so are all other connections.
        invitation: the word and the time for which it is good.

    Raises:
        LabError: nobody with the word came in time.
    """
    door = Door(listening, invitation)
    try:
        while invitation.remaining_s:
            if joined := door.step():
                joined.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return joined
    finally:
        door.close()
    raise LabError("Nobody joined while the join word was good; run connstorm serve again, and give its new word.")
