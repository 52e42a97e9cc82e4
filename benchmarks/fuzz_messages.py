# SPDX-License-Identifier: MIT
"""What processes and hosts say to each other, as readers of bytes."""

import io
import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import msgspec
import numpy as np
from fuzz_reader import DATA, Reader, as_types, by_file, encoded, files, in_memory

from stress.lab import local_addresses
from stress.lab.host_changes import ChangeAnswer, HostChange
from stress.model.errors import LabError, UsageError
from stress.model.json_text import decode_json
from stress.model.peer import ServeLimits
from stress.model.plan import Plan
from stress.model.progress import StormUnderway
from stress.model.suite import Settle
from stress.model.world import Topology, World
from stress.run import external_call, other_connstorm, protocol
from stress.run.peer import serve_file
from stress.run.peer.join_word import draw_word, parse_word
from stress.run.peer.relay_end import tag_of
from stress.run.peer.relay_spec import RelaySpec
from stress.storm.peer import calls
from stress.storm.peer.agreement import Terms, agree
from stress.storm.peer.client_calls import RESULTS
from stress.storm.peer.frame import FrameBuffer
from stress.storm.peer.message import CLIENT_SPEECH, SERVER_SPEECH, MessageReader, answer_of, decode_value, frames_of
from stress.storm.worker import WorkerResult, WorkerSpec
from stress.storm.worker_process import BeginMessage, WorkerFailure
from stress.suite.executor import agent, archive
from stress.suite.executor.ssh import decode_message

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from mutations import FROM_CLIENT, FROM_SERVER, mutate_frames  # of the tests

LIMIT_BYTES = 16 << 20
NAME = "20260131T120000Z-clean-abc123"
EVENTS = (
    protocol.Stage("storm of 200 attempts"),
    StormUnderway(200, 7, [(0, 100), (100, 100)], 1.5, [0, 1]),
    protocol.Settled(Settle(waited_s=0.5, settled=True, load=0.25, running=1, time_wait=3)),
    protocol.Done(f"results/{NAME}"),
    protocol.Failed("a reason", 3),
    agent.Sending(NAME),
)
PLAN = Plan(scenario="clean", attempts=100)
OWN = (
    WorkerSpec(PLAN, 0, 100, 0, 1024, None, b"\x06\0\0\0"),
    BeginMessage(1_000_000_000, 1_020_000_000),
    WorkerResult(100, False, [], 0),  # noqa: FBT003  # as the struct has it
    WorkerFailure("a reason"),
    HostChange(sysctls={"net.ipv4.tcp_tw_reuse": "1"}),
    ChangeAnswer(1, "LabError", "a reason"),
    external_call.Refusal("a reason", "UsageError"),
    RelaySpec(peer="lab2"),
    PLAN,
)
SMALL = {"rows": np.zeros(20, [("time_ns", "<i8"), ("kind", "u1")]), "ports": np.arange(9, dtype="u2")}
SERVE = b"""sources = ["10.0.0.0/24", "2001:db8::/64"]
addresses = ["10.0.1.1"]
ports = [8000, 8080]
max_rate_per_s = 500
max_seconds = 300
change = false
"""
SERVER = "10.0.0.2"
ASKS = [
    calls.Ask(
        Plan(
            scenario="clean",
            attempts=attempts,
            host=True,
            peers=["lab2"],
            source="10.0.0.1",
            target=SERVER,
            sysctls=sysctls,
            world=World(topology=Topology.PEER),
        ),
        ["10.0.0.1"],
        bool(sysctls),
    )
    for attempts, sysctls in ((100, {}), (200, {"net.ipv4.tcp_tw_reuse": "1"}))
]


def frames(messages):
    """Return a function that returns of each message and its arrays the frames, each a kind and a payload."""
    return lambda: [
        [(frame.kind, frame.payload) for frame in frames_of(message, arrays)] for message, arrays in messages
    ]


def change_message(seed, chance):
    """Return bytes of frames with something wrong in them."""
    return mutate_frames(chance, seed)


def read_messages(speech):
    """Return what takes bytes as one end of the control channel, and its relay, take them from the other."""

    def read_input(data):
        reader, buffer = MessageReader(speech), FrameBuffer(speech.message_max)
        buffer.feed(data)
        for frame in buffer.frames():
            tag_of(frame)
            received = reader.take(frame)
            if received is not None and isinstance(received.message, calls.Answer):
                for kind in RESULTS:
                    with suppress(LabError):
                        decode_value(kind, received.message)

    return read_input


def read_ask(data):
    """Ask a serving host that permits little, and one that permits all that one can."""
    message = CLIENT_SPEECH.decode(data)
    if not isinstance(message, calls.Ask):
        return
    with patch.object(local_addresses, "list_addresses", lambda: frozenset({SERVER})):
        with suppress(UsageError):
            agree(message, Terms(ServeLimits(ports=(8000, 9000), max_seconds=5.0)))
        agree(message, Terms(ServeLimits(change=True)))


def read_limits(path):
    """Read the limits of a serving host, within those of the host's own file."""
    given = serve_file.read_file(path)
    whole = serve_file.Given(sources=["10.0.0.0/8", "2001:db8::/32"], max_seconds=1000.0)
    return serve_file.combine([("serve.toml", whole), (str(path), given)])


def read_word(data):
    """Read a join word, as a user was given it."""
    with suppress(UnicodeDecodeError):
        parse_word(data.decode())


def read_event(data):
    """Read a line as of run-cell, and as of an agent."""
    with suppress(msgspec.DecodeError):
        decode_json(data, protocol.Event)
    return decode_message(data, "lab1")


def read_fingerprint(data):
    """Read what another host, and another connstorm on this host, answer when they are asked what they are."""
    with suppress(LabError):
        protocol.decode_fingerprint(data, "lab1")
    return other_connstorm.decode_fingerprint(data, b"a line\nanother", "The arm old (/tmp/old)")


def requests():
    """Return a trial request, as another host gets it."""
    document = {
        "protocol": protocol.PROTOCOL,
        "plan": msgspec.to_builtins(Plan(scenario="clean")),
        "settle_s": 0.0,
        "limit_s": 9.0,
        "fingerprint": json.loads((DATA / "protocol-1" / "fingerprint.json").read_bytes()),
    }
    return [json.dumps(document).encode() + b"\n"]


def fingerprints():
    """Return the frozen answer of a host, and one of today's protocol."""
    (frozen,) = files("protocol-1/fingerprint.json")()
    return [frozen, json.dumps(json.loads(frozen) | {"protocol": protocol.PROTOCOL}).encode()]


def read_archive(folder):
    """Return what unpacks an input, and removes what came of it."""

    def read_input(data):
        try:
            return archive.unpack(io.BytesIO(data), "run", folder, LIMIT_BYTES)
        finally:
            left = [path for path in folder.iterdir() if path.name != "run"]
            shutil.rmtree(folder / "run", ignore_errors=True)
            assert not left, left

    return read_input


def read_headers(data):
    """Read the headers of an archive, whatever is between them."""
    stream = io.BytesIO(data)
    try:
        while (member := archive.read_header(stream)) is not None:
            archive.copy_content(stream, min(member.size, LIMIT_BYTES), None)
    except archive.ArchiveError as error:
        raise LabError(str(error)) from error


def archives():
    """Return archives of frozen runs."""
    packed = []
    for name in ("run-schema-2", "run-schema-3"):
        stream = io.BytesIO()
        archive.pack_run_folder(DATA / name, stream)
        packed.append(stream.getvalue())
    return packed


MESSAGES = {
    "event": Reader(encoded(*EVENTS), in_memory(read_event)),
    "trial request": Reader(requests, in_memory(agent.decode_request)),
    "fingerprint": Reader(fingerprints, in_memory(read_fingerprint)),
    "archive": Reader(archives, read_archive, share=10),
    "archive headers": Reader(archives, in_memory(read_headers)),
    "own processes": Reader(
        encoded(*OWN),
        in_memory(
            as_types(
                Plan,
                WorkerSpec,
                BeginMessage,
                WorkerResult | WorkerFailure,
                HostChange,
                ChangeAnswer,
                external_call.Answer | external_call.Refusal,
                RelaySpec,
            )
        ),
    ),
    "messages of a client": Reader(
        frames([(message, {}) for message in FROM_CLIENT]),
        in_memory(read_messages(CLIENT_SPEECH)),
        change=change_message,
    ),
    "messages of a server": Reader(
        frames([*((message, arrays) for message, arrays in FROM_SERVER if not arrays), (answer_of(3, SMALL), SMALL)]),
        in_memory(read_messages(SERVER_SPEECH)),
        change=change_message,
    ),
    "consent": Reader(encoded(*ASKS), in_memory(read_ask)),
    "serve.toml": Reader(lambda: [SERVE], by_file("serve.toml", read_limits)),
    "join word": Reader(lambda: [draw_word(b"a certificate").text.encode()], in_memory(read_word)),
}
