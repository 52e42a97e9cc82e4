# SPDX-License-Identifier: MIT
"""Joining over TLS: who has the word gets in once, and nobody else gets a byte."""

import socket
import ssl
import struct
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from stress.model.errors import LabError, UsageError
from stress.run.peer import invitation as invitation_module
from stress.run.peer.certificate import client_context, make_certificate, server_context
from stress.run.peer.invitation import PENDING_MAX, Invitation, accept_client
from stress.run.peer.join import join_host
from stress.run.peer.join_word import KNOCK_BYTES, JoinWord, draw_nonce, draw_word, parse_word
from stress.storm.peer import calls
from stress.storm.peer.channel import Channel, Connection
from stress.storm.peer.message import CLIENT_SPEECH, SERVER_SPEECH

HOST = "127.0.0.1"
LIMIT_S = 20
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)


class Serving:
    """A serving side in a thread, which waits for one client and says Hello to it."""

    def __init__(self, valid_s=LIMIT_S, family=socket.AF_INET):
        self.invitation = Invitation(valid_s)
        self.socket = socket.create_server((HOST if family == socket.AF_INET else "::1", 0), family=family)
        self.port = self.socket.getsockname()[1]
        self.joined = self.error = None
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        try:
            self.joined = accept_client([self.socket], self.invitation)
        except LabError as error:
            self.error = error

    def stranger(self):
        connected = socket.create_connection((HOST, self.port))
        connected.settimeout(LIMIT_S)
        return connected

    def end(self):
        if not self.joined:
            self.invitation.end_s = 0
            with socket.socket() as waking:  # so that it looks at its time
                waking.settimeout(1)
                waking.connect_ex((HOST, self.port))
        self.thread.join()
        if self.joined:
            self.joined.close()


@contextmanager
def serving_side(**options):
    serving = Serving(**options)
    try:
        yield serving
    finally:
        serving.end()


@pytest.fixture
def serving():
    with serving_side() as serving:
        yield serving


def bytes_until_end(connected):
    """Return what comes until the other end closes or resets."""
    data = b""
    try:
        while part := connected.recv(1000):
            data += part
    except ConnectionResetError:
        pass
    connected.close()
    return data


def begin_tls(connected, knock=b"", context=None):
    """Return a connection that has knocked, before the handshake of TLS."""
    secured = (context or client_context()).wrap_socket(connected, do_handshake_on_connect=False)
    socket.socket.sendall(secured, knock)
    return secured


def let_in(serving, word=None):
    """Join, and talk both ways."""
    with join_host(HOST, serving.port, word or serving.invitation.word) as joined:
        serving.thread.join()
        with (
            Channel(Connection(serving.joined), CLIENT_SPEECH) as server,
            Channel(Connection(joined), SERVER_SPEECH) as client,
        ):
            client.send(calls.Hello(1, "client"))
            server.send(calls.Hello(1, "server"))
            assert server.receive(LIMIT_S).message.program == "client"
            assert client.receive(LIMIT_S).message.program == "server"
            return joined.version()


def test_who_has_the_word_gets_in_by_tls_1_3(serving):
    word = parse_word(f" {serving.invitation.word.text}\n")
    assert let_in(serving, word) == "TLSv1.3"


def test_the_word_is_good_once_and_then_nobody_listens(serving):
    let_in(serving)
    with pytest.raises(LabError, match="cannot be reached: Connection refused"):
        join_host(HOST, serving.port, serving.invitation.word)


def test_it_works_over_ipv6():
    with (
        serving_side(family=socket.AF_INET6) as serving,
        join_host("::1", serving.port, serving.invitation.word) as joined,
    ):
        serving.thread.join()
        assert serving.joined.getpeername()[:2] == joined.getsockname()[:2]


def test_a_wrong_word_gets_not_one_byte(serving):
    wrong = JoinWord(serving.invitation.word.fingerprint, bytes(16))
    with serving.stranger() as stranger:
        stranger.send(wrong.knock(draw_nonce()) + CLIENT_HELLO)
        assert bytes_until_end(stranger) == b""
    with pytest.raises(LabError, match="does not answer this join word"):
        join_host(HOST, serving.port, wrong)
    let_in(serving)  # nobody else is kept out by that


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.0\r\n\r\n", CLIENT_HELLO, bytes(KNOCK_BYTES)])
def test_without_a_knock_nobody_gets_a_byte(serving, monkeypatch, said):
    monkeypatch.setattr(invitation_module, "KNOCK_S", 0.2)
    with serving.stranger() as stranger:
        stranger.send(said)
        assert bytes_until_end(stranger) == b""
    let_in(serving)


def test_a_tls_client_without_a_knock_gets_not_one_byte(serving):
    with begin_tls(serving.stranger()) as stranger, pytest.raises((ssl.SSLError, ConnectionResetError)):
        stranger.do_handshake()
    let_in(serving)


def test_a_knock_counts_once(serving):
    knock = serving.invitation.word.knock(draw_nonce())
    with serving.stranger() as first, serving.stranger() as second:
        first.send(knock)
        while not serving.invitation.nonces:
            time.sleep(0.001)
        second.send(knock + CLIENT_HELLO)
        assert bytes_until_end(second) == b""
    let_in(serving)


def test_a_right_knock_without_the_proof_does_not_get_in(serving):
    nonce = draw_nonce()
    with begin_tls(serving.stranger(), serving.invitation.word.knock(nonce)) as secured:
        secured.do_handshake()
        secured.send(serving.invitation.word.proof(draw_nonce()))  # of another knock
        assert bytes_until_end(secured) == b""
    let_in(serving)


def test_only_tls_1_3_is_spoken_even_after_a_right_knock(serving):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    knock = serving.invitation.word.knock(draw_nonce())
    with (
        begin_tls(serving.stranger(), knock, context) as secured,
        pytest.raises((ssl.SSLError, ConnectionResetError)),
    ):
        secured.do_handshake()
    let_in(serving)


def test_a_late_word_is_closed_without_an_answer():
    with serving_side(valid_s=0.05) as serving:
        with serving.stranger() as stranger:
            serving.thread.join()
            assert bytes_until_end(stranger) == b""
        assert "run connstorm serve again" in str(serving.error)
        with pytest.raises(LabError, match="cannot be reached"):
            join_host(HOST, serving.port, serving.invitation.word)


def test_a_client_in_the_middle_of_joining_is_cut_off_when_the_word_is_late():
    with serving_side(valid_s=0.3) as serving:
        knock = serving.invitation.word.knock(draw_nonce())
        with begin_tls(serving.stranger(), knock) as secured:
            secured.do_handshake()
            assert bytes_until_end(secured) == b""


def test_a_host_in_between_has_another_certificate_and_is_told_nothing():
    word = draw_word(make_certificate()[0])
    context = server_context(make_certificate()[1])
    heard = []
    with socket.create_server((HOST, 0)) as listening:

        def stand_between():
            connected, _ = listening.accept()
            heard.append(len(connected.recv(KNOCK_BYTES)))
            with context.wrap_socket(connected, server_side=True) as secured:
                heard.append(bytes_until_end(secured))

        thread = threading.Thread(target=stand_between)
        thread.start()
        with pytest.raises(LabError, match="has another certificate than the join word names"):
            join_host(HOST, listening.getsockname()[1], word)
        thread.join()
    assert heard == [KNOCK_BYTES, b""]


def test_slow_strangers_keep_nobody_out(serving):
    strangers = [serving.stranger() for _ in range(3 * PENDING_MAX)]
    for stranger in strangers[::2]:
        with suppress(ConnectionResetError, BrokenPipeError):  # the oldest have made room
            stranger.send(b"k")
    let_in(serving)
    assert b"".join(bytes_until_end(stranger) for stranger in strangers) == b""


def test_a_stranger_who_sends_a_byte_now_and_then_has_no_more_time_than_others(serving, monkeypatch):
    monkeypatch.setattr(invitation_module, "KNOCK_S", 0.3)
    with serving.stranger() as stranger:
        begun_s = time.monotonic()
        with suppress(ConnectionResetError, BrokenPipeError):
            for _ in range(KNOCK_BYTES - 1):
                stranger.send(b"k")
                time.sleep(0.05)
        assert time.monotonic() - begun_s < 47 * 0.05
    let_in(serving)


def test_who_connects_and_resets_at_once_disturbs_nobody(serving):
    for _ in range(50):
        stranger = serving.stranger()
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stranger.close()
    let_in(serving)


@pytest.mark.parametrize("text", ["", "storm1-abc", "storm1-" + "A" * 63 + "=", "hello" * 20, "storm1-ü" * 9])
def test_what_is_no_join_word_is_told_apart_and_not_repeated(text):
    with pytest.raises(UsageError, match="a join word has 71 characters and begins with storm1-") as caught:
        parse_word(text)
    assert not text or text not in str(caught.value)


def test_a_word_is_not_shown_where_objects_are():
    word = Invitation().word
    assert word.text not in f"{word} {word!r} {word.text[:10]}"
    assert "secret" not in repr(word)
    assert len({Invitation().word.text for _ in range(3)}) == 3


def test_without_the_library_that_makes_certificates_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(LabError, match=r"pip install 'connstorm\[fleet\]'"):
        Invitation()
