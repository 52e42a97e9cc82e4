# SPDX-License-Identifier: MIT
"""Everything that connstorm reads and others may have written, each as a function of bytes."""

import io
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stress.model.attempt import ATTEMPT
from stress.model.calibration import CALIBRATION_SCHEMA, Calibration, Noise, SessionNoise
from stress.model.errors import LabError, UsageError
from stress.model.json_text import decode_json
from stress.model.plan import Plan
from stress.model.text import json_bytes
from stress.run import protocol
from stress.store import accepted, calibration, run_folder, suite_folder, verdict_file
from stress.store.array_file import open_array
from stress.store.capture_file import read as capture_file
from stress.store.overview import read_overview
from stress.store.run_schema import decode_run
from stress.store.stored_names import list_stored
from stress.suite import matrix
from stress.suite.config import load
from stress.suite.executor import agent, archive
from stress.suite.executor.ssh import decode_message

ROOT = Path(__file__).parents[1]
DATA, SUITES = ROOT / "tests" / "data", ROOT / "stress" / "suites"
LIMIT_BYTES = 16 << 20
ACCEPTED = b"""[[accepted]]
cell = "clean"
testbed = "0a1b2c3d"
identity = "0a1b2c3d"
metric = "rate"
at = "20260131T120000Z-clean-abc123"
reason = "a new kernel"
"""
NOISE = Noise(kind="ratio", floor=0.01, spread=0.02, median=11.5)
CALIBRATION = Calibration(
    schema=CALIBRATION_SCHEMA,
    program="connstorm 1.0",
    started_utc="2026-01-31T12:00:00+00:00",
    testbed="0a1b2c3d",
    kernel="6.18.0",
    cpu="a CPU",
    trials=20,
    scenarios={"clean": {"body.p50": NOISE, "rate": NOISE}},
    sessions={"clean": {"rate": SessionNoise(sd=0.01, df=5, trials=20)}},
    pause_s=60.0,
)
EVENTS = (
    protocol.Stage("storm of 200 attempts"),
    protocol.Done("results/20260131T120000Z-clean-abc123"),
    protocol.Failed("a reason", 3),
    agent.Sending("20260131T120000Z-clean-abc123"),
)


@dataclass(frozen=True)
class Reader:
    """A reader.

    Attributes:
        seeds: returns whole inputs, which are mutated.
        prepare: takes an empty folder; returns the function that reads one input.
    """

    seeds: Callable[[], list[bytes]]
    prepare: Callable[[Path], Callable[[bytes], object]]


def files(*patterns):
    """Return a function that reads the frozen files of some patterns."""
    return lambda: [path.read_bytes() for pattern in patterns for path in sorted(DATA.glob(pattern))]


def by_file(name, read):
    """Return what writes an input to a file and reads that."""

    def prepare(folder):
        path = folder / name

        def read_input(data):
            path.write_bytes(data)
            return read(path)

        return read_input

    return prepare


def in_copy(frozen, name, read):
    """Return what replaces one file of a copy of a frozen folder, and reads the folder."""

    def prepare(folder):
        copy = folder / "20260131T120000Z-closewait-abc123"
        shutil.copytree(DATA / frozen, copy)

        def read_input(data):
            (copy / name).write_bytes(data)
            return read(copy)

        return read_input

    return prepare


def read_array(path):
    """Read an array of attempts, to its last row."""
    return open_array(path, ATTEMPT)["start_ns"].sum()


def read_suite_text(data):
    """Read a suite file and make its cells."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("not UTF-8") from error
    return matrix.build_cells(load.decode_suite(text, "suite.toml", "suite"))


def read_event(data):
    """Read a line as of run-cell, and as of an agent."""
    with suppress(msgspec.DecodeError):
        decode_json(data, protocol.Event)
    return decode_message(data, "lab1")


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


def archives():
    """Return archives of frozen runs."""
    packed = []
    for name in ("run-schema-2", "run-schema-3"):
        stream = io.BytesIO()
        archive.pack_run_folder(DATA / name, stream)
        packed.append(stream.getvalue())
    return packed


def read_history(folder):
    """Read all that a list shows of a folder with one run, and refuse nothing: damage is told in its row."""
    return [read_overview(entry) for entry in list_stored(folder.parent)]


def read_captures(path):
    """Read a capture file whole."""
    return capture_file.read_captures([path])


def suite_texts():
    """Return the suites of the package."""
    return [path.read_bytes() for path in sorted(SUITES.glob("*.toml"))]


def a_request():
    """Return a trial request, as another host gets it."""
    answer = (DATA / "protocol-1" / "fingerprint.json").read_bytes()
    fingerprint = json.loads(answer)
    document = {
        "protocol": protocol.PROTOCOL,
        "plan": msgspec.to_builtins(Plan(scenario="clean")),
        "settle_s": 0.0,
        "limit_s": 9.0,
        "fingerprint": fingerprint,
    }
    return [json.dumps(document).encode() + b"\n", answer]


def read_request(data):
    """Read what another host is sent, and what it answers when it is asked what it is."""
    with suppress(LabError):
        protocol.decode_fingerprint(data, "lab1")
    return agent.decode_request(data)


READERS = {
    "suite TOML": Reader(
        lambda: [path.read_bytes() for path in sorted(SUITES.glob("*.toml"))], lambda _: read_suite_text
    ),
    "run.json": Reader(files("run-schema-*/run.json"), lambda _: lambda data: decode_run(data, "run.json")),
    "run folder": Reader(files("run-schema-3/run.json"), in_copy("run-schema-3", "run.json", run_folder.read)),
    "list": Reader(files("run-schema-3/run.json"), in_copy("run-schema-3", "run.json", read_history)),
    "suite.json": Reader(
        files("suite-schema-1/suite.json"), in_copy("suite-schema-1", "suite.json", suite_folder.read)
    ),
    "trial.json": Reader(files("suite-schema-1/trials/*/trial.json"), by_file("trial.json", suite_folder.read_record)),
    "accepted.toml": Reader(lambda: [ACCEPTED], by_file("accepted.toml", accepted.read)),
    "calibration.json": Reader(lambda: [json_bytes(CALIBRATION)], by_file("calibration.json", calibration.read)),
    "verdict.json": Reader(files("verdict-schema-*.json"), by_file("verdict.json", verdict_file.read)),
    "attempts.npy": Reader(files("run-schema-*/attempts.npy"), by_file("attempts.npy", read_array)),
    "capture": Reader(files("captures/*"), by_file("a.pcap", read_captures)),
    "event": Reader(lambda: [msgspec.json.encode(event) for event in EVENTS], lambda _: read_event),
    "archive": Reader(archives, read_archive),
    "trial request": Reader(a_request, lambda _: read_request),
}
