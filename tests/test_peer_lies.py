# SPDX-License-Identifier: MIT
"""A serving side that lies in one of its answers: the client has its run, or one sentence on what is wrong.

The storm is a real one between two hosts; what the serving side says is passed on by the test, which changes one
message of it. One storm; ``make mutations`` makes 150.
"""

import os
import random
import subprocess
import sys
import threading
from contextlib import suppress

import msgspec
import pytest
from command import program
from mutations import NUMBER, TEXT, change_bytes, change_json, replace_one
from serving_client import plan_across
from test_peer_storm import STORM_ACROSS
from two_hosts import two_hosts

from stress.model.plan import Close, EvidenceSource, Ports
from stress.storm.peer.channel import READ_BYTES
from stress.storm.peer.frame import HEAD, FrameBuffer, Kind
from stress.storm.peer.message import SERVER_MESSAGE_MAX

COUNT = int(os.environ.get("CONNSTORM_LIES", "1"))
MESSAGES = 45  # that a serving side says in the storm of the test, without arrays
LIES = b"-1 0 1 3 255 256 65536 10000000 4294967296 9223372036854775807 -9223372036854775808".split()
LIMIT_S = 60
PLAN = plan_across(
    scenario="closewait",
    mines=20,
    attempts=100,
    port_range=(40000, 40099),
    close=Close.RST,
    release="linger2",
    ports=Ports.SWEEP,
    capture=True,
    evidence=EvidenceSource.KERNEL,
    peers=["lab2"],
)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with two_hosts(tmp_path_factory.mktemp("hosts")) as made:
        for host in (made.client, made.server):
            host.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40099", check=True)
        yield made


def lie(draw, frame):
    """Return the bytes of a frame with something else in them, mostly of the same type."""
    if frame.kind is Kind.PIECE:
        return change_bytes(draw, frame.payload)
    if draw.random() < 0.2:
        return change_json(draw, frame.payload)
    pattern, options = draw.choice([(NUMBER, LIES), (NUMBER, LIES), (TEXT, [b'""', b'"lie"', b'"10.9.9.9"'])])
    return replace_one(draw, pattern, options, frame.payload)


def pass_on(reading, writing, number, said):
    """Pass frames on, with one of them changed, and note which that was."""
    draw = random.Random(f"lie {number}")
    chosen = draw.randrange(MESSAGES)
    buffer = FrameBuffer(SERVER_MESSAGE_MAX)
    with suppress(BrokenPipeError), os.fdopen(writing, "wb", buffering=0) as stream:
        while data := os.read(reading, READ_BYTES):
            buffer.feed(data)
            for frame in buffer.frames():
                payload = frame.payload
                if len(said) == chosen:
                    payload = lie(draw, frame)
                    said.append(f"{frame.payload[:2000]!r} became {payload[:2000]!r}")
                elif frame.kind is Kind.MESSAGE:
                    said.append("")
                stream.write(HEAD.pack(len(payload), frame.kind) + payload)


def storm_with_a_lie(hosts, number):
    """Storm; return the client's answer, and what was changed."""
    served = hosts.server.start(*program("serve", "--stdio"))
    reading, writing = os.pipe()
    said = []
    passing = threading.Thread(target=pass_on, args=(served.stdout.fileno(), writing, number, said))
    passing.start()
    descriptors = [reading, served.stdin.fileno()]
    client = hosts.client.start(sys.executable, STORM_ACROSS, *descriptors, hosts.client.results, pass_fds=descriptors)
    os.close(reading)
    served.stdin.close()
    served.stdin = None
    try:
        answer, errors = client.communicate(msgspec.json.encode(PLAN), timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        client.kill()
        served.kill()
        answer, errors = client.communicate()
        errors += b"It did not end."
    served.wait(LIMIT_S)
    passing.join()
    return answer.decode(), errors.decode(), [lie for lie in said if lie]


@pytest.mark.timeout(7200)
def test_a_lie_is_a_run_or_one_sentence(hosts):
    for number in range(COUNT):
        answer, errors, lies = storm_with_a_lie(hosts, number)
        assert "Traceback" not in errors, (number, errors, lies)
        assert "It did not end." not in errors, (number, lies)
        assert answer.startswith("/") or answer.partition(": ")[0].endswith("Error"), (number, answer)
        assert "\n" not in answer, (number, answer, lies)
