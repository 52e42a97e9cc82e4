# SPDX-License-Identifier: MIT
"""The control channel: messages and arrays as they were sent, limits, time limits, and whatever else may come."""

import os
import signal
import socket
import threading
import time

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from peer_messages import FROM_CLIENT, FROM_SERVER

from stress.model.errors import ChannelClosedError, ChannelFaultError, LabError, UsageError
from stress.model.plan import Plan
from stress.model.run import KERNEL_EVENT, MINE
from stress.storm.peer import array_bytes, calls
from stress.storm.peer.caller import Caller
from stress.storm.peer.channel import Channel, Connection, Descriptors
from stress.storm.peer.frame import HEAD, PIECE_BYTES, Frame, FrameBuffer, Kind, unpack_head
from stress.storm.peer.message import (
    CLIENT_MESSAGE_MAX,
    CLIENT_SPEECH,
    SERVER_MESSAGE_MAX,
    SERVER_SPEECH,
    MessageReader,
    answer_of,
    frames_of,
)

HELLO = calls.Hello(3, "connstorm 1")


@pytest.fixture
def ends():
    """The two ends of a channel: the client's, the serving side's."""
    near, far = socket.socketpair()
    with Channel(Connection(near), SERVER_SPEECH, "lab2") as client, Channel(Connection(far), CLIENT_SPEECH) as server:
        yield client, server


def read_messages(speech, data, cut=None):
    """Return what a reader makes of bytes that come in parts of ``cut``."""
    buffer, reader = FrameBuffer(speech.message_max), MessageReader(speech)
    received = []
    for start in range(0, len(data), cut or len(data) or 1):
        buffer.feed(data[start : start + (cut or len(data))])
        received += [message for frame in buffer.frames() if (message := reader.take(frame))]
    return received


def pack(message, arrays=None):
    return b"".join(frame.packed for frame in frames_of(message, arrays))


def raw(text, kind=Kind.MESSAGE):
    return HEAD.pack(len(text), kind) + text


@settings(max_examples=150)
@given(FROM_CLIENT)
def test_what_a_client_says_arrives_as_it_was_said(message):
    (received,) = read_messages(CLIENT_SPEECH, pack(message), cut=7)
    assert received.message == message


@settings(max_examples=100)
@given(FROM_SERVER)
def test_what_a_serving_side_says_arrives_with_its_arrays(said):
    message, arrays = said
    (received,) = read_messages(SERVER_SPEECH, pack(message, arrays), cut=1000)
    if isinstance(message, calls.Answer):
        assert bytes(received.message.value) == bytes(message.value)
    else:
        assert received.message == message
    assert list(received.arrays) == list(arrays)
    for name, array in arrays.items():
        assert received.arrays[name].dtype == array.dtype
        assert received.arrays[name].shape == array.shape
        assert received.arrays[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", [MINE, KERNEL_EVENT])
def test_the_arrays_of_a_run_can_be_sent(ends, dtype):
    client, server = ends
    array = np.zeros(100_000, dtype)
    array["local_port"] = np.arange(100_000) % 60_000
    threading.Thread(target=lambda: server.send(answer_of(None, {"rows": array}), {"rows": array})).start()
    received = client.receive(10)
    assert np.array_equal(received.arrays["rows"], array)
    received.arrays["rows"]["local_port"] = 1  # its own, and writable


def test_both_ends_may_use_pipes():
    (there_out, there_in), (back_out, back_in) = os.pipe(), os.pipe()
    with (
        Channel(Descriptors(back_out, there_in), SERVER_SPEECH) as client,
        Channel(Descriptors(there_out, back_in), CLIENT_SPEECH) as server,
    ):
        client.send(HELLO)
        assert server.receive(5).message == HELLO
        array = {"a": np.arange(1_000_000)}
        sender = threading.Thread(target=lambda: server.send(answer_of(None, array), array))
        sender.start()
        assert np.array_equal(client.receive(10).arrays["a"], array["a"])
        sender.join()


def test_beats_of_another_thread_go_between_frames_and_never_into_one(ends):
    client, server = ends
    arrays = {"a": np.arange(400_000)}
    done = threading.Event()

    def beat():
        while not done.is_set():
            server.send(calls.Beat())

    def answer():
        for _ in range(5):
            server.send(answer_of(7, arrays), arrays)
        done.set()

    threads = [threading.Thread(target=work) for work in (beat, beat, answer)]
    for thread in threads:
        thread.start()
    answers = beats = 0
    while answers < 5:
        received = client.receive(10)
        answers += isinstance(received.message, calls.Answer)
        beats += isinstance(received.message, calls.Beat)
    while any(thread.is_alive() for thread in threads):
        client.receive(0.1)
    assert beats


def test_a_limit_of_time_loses_nothing_of_a_message_that_comes_in_parts():
    near, far = socket.socketpair()
    with Channel(Connection(near), CLIENT_SPEECH) as server, far:
        data = pack(HELLO)
        far.send(data[:9])
        assert server.receive(0) is None
        assert server.receive(0.01) is None
        far.send(data[9:])
        assert server.receive(5).message == HELLO


def test_an_end_that_is_gone_is_an_error_of_its_own(ends):
    client, server = ends
    server.close()
    with pytest.raises(ChannelClosedError, match="lab2 has closed the control channel"):
        client.receive(5)
    with pytest.raises(ChannelClosedError, match="Nothing more can be sent to lab2"):
        client.send(HELLO)


def test_an_end_that_takes_nothing_keeps_nobody_waiting(ends, monkeypatch):
    monkeypatch.setattr("stress.storm.peer.channel.SILENCE_S", 0.05)
    _, server = ends
    array = {"a": np.zeros(1_000_000)}
    with pytest.raises(ChannelClosedError, match="has taken nothing for"):
        server.send(answer_of(None, array), array)


def test_how_long_nothing_has_come_is_known(ends):
    client, server = ends
    time.sleep(0.02)
    silent_s = client.silent_s
    assert silent_s >= 0.02
    server.send(calls.Beat())
    client.receive(5)
    assert client.silent_s < silent_s


class TestCaller:
    """Calls and their answers."""

    @pytest.fixture
    def caller(self, ends):
        client, server = ends
        return Caller(client), server

    def test_a_call_returns_its_value(self, caller):
        client, server = caller
        server.send(calls.Beat())
        server.send(answer_of(12))
        assert client.call(calls.Ping()) == 12
        assert server.receive(5).message == calls.Ping()

    @pytest.mark.parametrize("value", ["twelve", -1, 1 << 62 | 1, None, 1.5])
    def test_a_value_of_another_type_or_out_of_range_is_a_fault(self, caller, value):
        client, server = caller
        server.send(answer_of(value))
        with pytest.raises(ChannelFaultError, match="Expected `int`"):
            client.call(calls.Ping())

    @pytest.mark.parametrize(
        ("kind", "error"),
        [("UsageError", UsageError), ("Terminated", LabError), ("UNBALANCED", LabError), ("os", LabError)],
    )
    def test_a_refusal_raises_the_error_it_names(self, caller, kind, error):
        client, server = caller
        server.send(calls.Refused("No.\x1b[2J", kind))
        with pytest.raises(error, match=r"^No\.\?\[2J$") as caught:
            client.call(calls.Ping())
        assert type(caught.value) is error

    def test_after_the_end_every_call_raises_with_its_reason(self, caller):
        client, server = caller
        server.send(calls.Ended("the rate was exceeded"))
        for _ in range(2):
            with pytest.raises(ChannelClosedError, match="the rate was exceeded"):
                client.call(calls.Ping())

    def test_an_interrupted_call_does_not_get_the_next_call_a_wrong_answer(self, caller):
        client, server = caller
        signal.signal(signal.SIGALRM, raise_interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            client.call(calls.Ping())
        server.send(answer_of(1))
        server.send(answer_of(2))
        assert client.call(calls.Ping()) == 2

    def test_a_message_that_an_exception_cut_is_completed_before_the_next(self, caller):
        client, server = caller
        plan = Plan(scenario="x", sysctls={"a": "b" * 200_000})
        client.channel.stream = Interrupted(client.channel.stream)
        with pytest.raises(KeyboardInterrupt):
            client.channel.send(calls.Ask(plan, [], change=False))
        client.channel.send(calls.Ping())
        assert server.receive(5).message == calls.Ask(plan, [], change=False)
        assert server.receive(5).message == calls.Ping()


class Interrupted:
    """A stream with an exception in the middle of the first write."""

    def __init__(self, stream):
        self.stream, self.writing, self.reading, self.calls = stream, stream.writing, stream.reading, 0
        self.close = stream.close

    def write(self, data):
        self.calls += 1
        if self.calls == 2:
            raise KeyboardInterrupt
        return self.stream.write(data[:1000] if self.calls == 1 else data)


def raise_interrupt(*_):
    raise KeyboardInterrupt


def client_fault(data):
    with pytest.raises(ChannelFaultError) as caught:
        read_messages(CLIENT_SPEECH, data)
    return str(caught.value)


def server_fault(data):
    with pytest.raises(ChannelFaultError) as caught:
        read_messages(SERVER_SPEECH, data)
    return str(caught.value)


@pytest.mark.parametrize("length", [0, CLIENT_MESSAGE_MAX + 1, 0xFFFFFFFF])
def test_a_length_is_checked_before_the_frame_comes(length):
    assert f"a frame of {length} bytes came" in client_fault(HEAD.pack(length, Kind.MESSAGE))


def test_a_serving_side_may_say_more_than_a_client():
    assert unpack_head(HEAD.pack(CLIENT_MESSAGE_MAX + 1, Kind.MESSAGE), SERVER_MESSAGE_MAX)
    assert "65536" in client_fault(HEAD.pack(PIECE_BYTES + 1, Kind.PIECE))
    assert "kind 3" in client_fault(HEAD.pack(1, 3))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"[" * 100_000, "none"),
        (b'{"type":"Ask","plan":{"scenario":"x","acts":{"a":{"b":' + b"[" * 100_000, "nested too deeply"),
        (b'{"type":"Hello","protocol":1,"program":"\xff"}', "none"),
        (rb'{"type":"Hello","protocol":1,"program":"\ud800"}', "none"),
        (b'{"type":"Hello","protocol":NaN,"program":""}', "none"),
        (b'{"type":"Hello","protocol":1e999,"program":""}', "none"),
        (b'{"type":"Hello","protocol":' + b"9" * 100 + b',"program":""}', "does not fit 64 bits"),
        (b'{"type":"Hello","protocol":' + b"9" * 100_000 + b',"program":""}', "out of range"),
        (b'{"type":"Hello","protocol":1,"program":"","more":1}', "unknown field"),
        (b'{"type":"Answer","value":1}', "Invalid value 'Answer'"),
        (b'{"type":"Refused","text":""}', "Invalid value 'Refused'"),
        (rb'{"type":"Ask","plan":{"scenario":"\u0000"},"sources":[],"change":true}', "control characters"),
        (rb'{"type":"Ask","plan":{"scenario":"\u009b2J"},"sources":[],"change":true}', "control characters"),
        (b'{"type":"BeginAct","name":1}', "Expected `str`"),
        (b"\x00", "malformed"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_client_that_says_anything_else_is_told_apart(text, says):
    assert says in client_fault(raw(text))


def announce(dtype, shape, **more):
    heads = {"a": {"dtype": dtype, "shape": shape}} | more
    return raw(msgspec.json.encode({"type": "Answer", "value": 1, "arrays": heads}))


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("<i4", []),
        ("|O", [1]),
        ("O", [1]),
        ("<U9", [1]),
        ("<M8[ns]", [1]),
        (">i4", [1]),
        ("<i4", [-1]),
        ("<i4", [1 << 40]),
        ("<i4", [0, 1 << 70]),
        ("<i4", [1 << 15, 1 << 15]),
        ("<i4", [1] * 5),
        ("|V99999", [1]),
        ("|V0", [1]),
        ([], [1]),
        ([["", "<i4"]], [1]),
        ([["a", "<i4"], ["a", "<i4"]], [1]),
        ([["a", "<i4", 7]], [1]),
        ([["a", [["b", "O"]]]], [1]),
        ([["a", "<i4, O"]], [1]),
        ([["__class__", "<i4"]], [1]),
        ([[f"a{number}", "<i4"] for number in range(65)], [1]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_array_of_objects_or_without_bounds_is_refused_when_it_is_announced(dtype, shape):
    assert server_fault(announce(dtype, shape))


def test_all_arrays_together_are_bounded():
    heads = {name: {"dtype": "<i4", "shape": [100 << 18]} for name in "abcdefghij"}
    assert "arrays of" in server_fault(announce("<i4", [1], **heads))
    many = {f"a{number}": {"dtype": "<i4", "shape": [1]} for number in range(array_bytes.ARRAYS_MAX)}
    assert "arrays were announced" in server_fault(announce("<i4", [1], b={"dtype": "<i4", "shape": [1]}, **many))


def test_the_bytes_that_follow_must_be_those_that_were_announced():
    piece = raw(b"\0" * 8, Kind.PIECE)
    assert "no message announced" in server_fault(piece)
    assert "no message announced" in client_fault(piece)
    assert "misses 4" in server_fault(announce("<i4", [1]) + piece)
    assert "misses 12" in server_fault(announce("<i4", [3]) + piece)
    assert "before the end of an array" in server_fault(announce("<i4", [3]) + announce("<i4", [3]))
    assert "before the end of an array" in server_fault(announce("<i4", [3]) + pack(calls.Refused("")))
    assert len(read_messages(SERVER_SPEECH, announce("<i8", [1]) + pack(calls.Beat()) + piece)) == 2


@pytest.mark.parametrize("dtype", ["|b1", [["a", "<i2"], ["b", "|b1"]]])
def test_a_bool_that_is_neither_0_nor_1_is_refused(dtype):
    size = 1 if isinstance(dtype, str) else 3
    assert read_messages(SERVER_SPEECH, announce(dtype, [1]) + raw(b"\1" * size, Kind.PIECE))
    assert "neither 0 nor 1" in server_fault(announce(dtype, [1]) + raw(b"\2" * size, Kind.PIECE))


def test_an_array_of_another_byte_order_or_of_objects_is_not_sent():
    for array in (np.zeros(1, ">i4"), np.array([None])):
        with pytest.raises(ChannelFaultError):
            answer_of(None, {"a": array})


def test_memory_grows_with_what_has_come_and_not_with_what_was_announced():
    buffer, reader = FrameBuffer(SERVER_MESSAGE_MAX), MessageReader(SERVER_SPEECH)
    buffer.feed(announce("<i8", [60 << 20]))
    assert not [message for frame in buffer.frames() if (message := reader.take(frame))]
    assert reader.take(Frame(Kind.PIECE, bytes(PIECE_BYTES))) is None
    assert len(reader._data) == PIECE_BYTES
