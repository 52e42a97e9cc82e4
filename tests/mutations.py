# SPDX-License-Identifier: MIT
"""Messages of the control channel as a bad link or a liar may send them: valid ones, and what is done to their bytes.

Number N of a seed is always the same message, so that what a failing test names can be made again.
"""

import os
import random
import re
from typing import get_args

import msgspec
import numpy as np

from stress.model.host import Host
from stress.model.peer import ServeLimits
from stress.model.plan import Plan
from stress.model.record import HostReport, ListenerReport
from stress.storm.peer import calls
from stress.storm.peer.frame import HEAD, Kind
from stress.storm.peer.message import CLIENT_SPEECH, answer_of, frames_of

COUNT = int(os.environ.get("CONNSTORM_MUTATIONS", "2000"))  # of each side
PLAN = Plan(scenario="clean", attempts=100, host=True, peers=["lab2"], sysctls={"net.ipv4.tcp_tw_reuse": "1"})
HOST = Host(kernel="6.1.0", jiffy_ns=4_000_000, cpu="x", cpus=2, memory_bytes=1 << 33, clocksource="tsc", python="3.11",
            nofile=1 << 20)  # fmt: skip
USUAL = {str: "storm", int: 7, float: 1.5, bool: True, list[str]: ["10.0.0.1"], Plan: PLAN, int | None: 100}
ARRAYS = {"rows": np.zeros(20_000, [("time_ns", "<i8"), ("kind", "u1")]), "ports": np.arange(9, dtype="u2")}
FLAGS = {"flags": np.array([True, False])}


def usual_message(kind):
    """Return a valid message of a class; a Literal has its first value."""
    types = [field.type for field in msgspec.structs.fields(kind)]
    return kind(*(USUAL[of] if of in USUAL else get_args(of)[0] for of in types))


FROM_CLIENT = [usual_message(kind) for kind in CLIENT_SPEECH.types]
FROM_SERVER = [
    (calls.Hello(3, "connstorm 1"), {}),
    (calls.Beat(), {}),
    (calls.Ended("the rate was exceeded"), {}),
    (calls.Refused("The plan is refused.", "UsageError"), {}),
    *((answer_of(value), {}) for value in (
        None, 7, True, [1, 2], {"client": {"ESTABLISHED": 3}}, {"rule": 9},
        calls.Consent(limits=ServeLimits(), host=HOST, nofile=1024, has_nft=True),
        HostReport(counters={"TcpExtSyncookiesSent": 4}, conntrack={}),
        ListenerReport(1, 2, 3, 4, {"EMFILE": 1}),
        calls.Look([], None, []),
    )),
    *((answer_of(3, arrays), arrays) for arrays in (ARRAYS, FLAGS, {"none": np.zeros(0, "u1")})),
]  # fmt: skip

NUMBERS = [
    *(b"-1 0 NaN Infinity -0 1e999 1e-999 1.5 0x7f 007 null true [] {}".split()),
    *(b"18446744073709551616 -9223372036854775809 1 2 3 64 1024 65535 100000 10000000".split()),
    *(b"9" * digits for digits in (19, 30, 5000)),
    b'"7"',
]
TEXTS = [
    *(rb'"\ud800" "\udc00\ud800" "\u0000" "\u001b[2J" "\"'.split()),
    *(rb'"../../etc/passwd" ";drop" "" 7 null "127.0.0.2" "::1"'.split()),
    *(b'"%s"' % text for text in (b"\xff\xfe", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a" * 3000)),
]
STRUCTURES = [
    *(b"{} [] , } \x00".split(b" ")),
    *(b"[" * 3000, b"[" * 3000 + b"]" * 3000, b'{"a":' * 2000 + b"1" + b"}" * 2000, b""),
]
LENGTHS = [0, 1, 64 << 10, (64 << 10) + 1, 256 << 10, (256 << 10) + 1, 4 << 20, (4 << 20) + 1, 0x7FFFFFFF, 0xFFFFFFFF]
NUMBER, TEXT, TAG = rb"(?<=[:\[,])-?\d+(?:\.\d+)?", rb'"[^"]*"', rb'"type":"[A-Za-z]+"'


def replace_one(draw, pattern, options, text):
    """Return JSON with one place that matches replaced."""
    places = list(re.finditer(pattern, text))
    if not places:
        return text
    place = draw.choice(places)
    return text[: place.start()] + draw.choice(options) + text[place.end() :]


def change_json(draw, text):
    """Return the text of a message with one thing wrong that JSON can say."""
    match draw.randrange(6):
        case 0:
            return replace_one(draw, NUMBER, NUMBERS, text)
        case 1:
            return replace_one(draw, TEXT, TEXTS, text)
        case 2:
            tags = [b'"type":"%s"' % tag for tag in (b"Answer", b"Ask", b"Ping", b"Beat", b"Call", b"Message", b"")]
            return replace_one(draw, TAG, tags, text)
        case 3:
            return replace_one(draw, rb"[:,\[{}\]]", [*STRUCTURES, *NUMBERS], text)
        case 4:
            return replace_one(
                draw, rb'(?<=[,{])"[^"]*":', [b'"more":1,"%s":' % draw.choice([b"a", b"plan"]), b""], text
            )
        case _:
            return change_bytes(draw, text)


def change_bytes(draw, data):
    """Return bytes with bits turned, or a part cut out, doubled or replaced."""
    changed = bytearray(data)
    if not changed:
        return data
    start = draw.randrange(len(changed))
    end = min(len(changed), start + draw.choice([1, 1, 2, 5, 40]))
    match draw.randrange(5):
        case 0:
            for _ in range(draw.choice([1, 1, 3, 20])):
                changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        case 1:
            del changed[start:end]
        case 2:
            changed[start:start] = changed[start:end]
        case 3:
            changed[start:end] = draw.randbytes(end - start)
        case _:
            del changed[start:]
    return bytes(changed)


def change_frames(draw, frames):
    """Return frames with one of them changed, left out, doubled, moved, or of another length or kind."""
    frames = list(frames)
    place = draw.randrange(len(frames))
    kind, payload = frames[place]
    match draw.randrange(7):
        case 0 | 1 | 2:
            frames[place] = kind, (change_json if kind == Kind.MESSAGE else change_bytes)(draw, payload)
        case 3:
            del frames[place]
        case 4:
            frames.insert(draw.randrange(len(frames)), frames[place])
        case 5:
            frames[place] = draw.choice([0, 1, 2, 3, 255]), payload
        case _:
            draw.shuffle(frames)
    return b"".join(HEAD.pack(len(payload), kind) + payload for kind, payload in frames)


def mutate(draw, messages):
    """Return the bytes of one or two messages with something wrong in them, or rarely nothing.

    Args:
        draw: a random.Random.
        messages: pairs of a message and its arrays, from which to choose.
    """
    said = [draw.choice(messages) for _ in range(draw.choice([1, 1, 2]))]
    frames = [(frame.kind, frame.payload) for message, arrays in said for frame in frames_of(message, arrays)]
    return mutate_frames(draw, frames)


def mutate_frames(draw, frames):
    """Return bytes of frames, each a kind and a payload, with something wrong in them, or rarely nothing."""
    data = change_frames(draw, frames)
    match draw.randrange(6):
        case 0:
            return change_bytes(draw, data)
        case 1:
            head = HEAD.pack(draw.choice(LENGTHS), draw.choice([1, 2, 3]))
            return head + data[HEAD.size :]
        case 2:
            return change_frames(draw, frames) + data
        case _:
            return data


def from_client(number, seed=17):
    """Return the bytes that number N of the bad clients sends."""
    return mutate(random.Random(f"{seed} client {number}"), [(message, {}) for message in FROM_CLIENT])


def from_server(number, seed=17):
    """Return the bytes that number N of the bad serving sides sends."""
    return mutate(random.Random(f"{seed} server {number}"), FROM_SERVER)
