# SPDX-License-Identifier: MIT
"""Everything that connstorm reads and others may have written, each as a function of bytes."""

import os
from pathlib import Path

from fuzz_messages import MESSAGES
from fuzz_reader import DATA, Reader, as_types, by_file, encoded, files, in_copy, in_memory

from stress.analysis.history.run_row import run_row
from stress.analysis.metric import find_metric
from stress.ci.pull_request import read_pull_request
from stress.compare import history_cache
from stress.lab import sysctl_journal
from stress.lab.kernel import cache
from stress.lab.sysctl_journal import plan_journal
from stress.model.attempt import ATTEMPT
from stress.model.calibration import CALIBRATION_SCHEMA, Calibration, Noise, SessionNoise
from stress.model.errors import UsageError
from stress.model.kernel import CachedKernel
from stress.model.text import json_bytes
from stress.store import accepted, calibration, overview, run_folder, suite_folder, verdict_file
from stress.store.array_file import open_array
from stress.store.capture_file import read as capture_file
from stress.store.capture_file.batch import FileFacts
from stress.store.capture_file.stream import CaptureStream
from stress.store.counters import CounterFile
from stress.store.history_folder import compact_json
from stress.store.overview import read_overview
from stress.store.planned import read_planned
from stress.store.run_header import RunHeader
from stress.store.run_schema import decode_run
from stress.store.runs import read_observations
from stress.store.stored_names import Beginning, list_stored
from stress.suite import matrix
from stress.suite.config import load

SUITES = Path(__file__).parents[1] / "stress" / "suites"
ACCEPTED = b"""[[accepted]]
cell = "clean"
testbed = "0a1b2c3d"
metric = "rate"
at = "20260131T120000Z-clean-abc123"
reason = "a new kernel"
"""
SUITE = b"""name = "every-table"
trials = 2
warmup = 0
rank = ["rate"]
[defaults]
port_range = [40000, 40007]
[[scenario]]
name = "closewait"
label = "dense"
mines = 2
sysctls."net.ipv4.tcp_timestamps" = 0
[scenario.matrix]
"net.ipv4.tcp_tw_reuse" = [0, 1]
[baseline]
"net.ipv4.tcp_tw_reuse" = 1
[[exclude]]
scenario = "dense"
"net.ipv4.tcp_tw_reuse" = 0
[[gate]]
expr = "body.p99 <= 1.10x"
scenario = "dense"
"""
ARMS = b"""design = "full"
[[scenario]]
name = "clean"
attempts = 200
[[arm]]
name = "old"
serve = "sleep 9"
ready = "tcp:8080"
[[arm]]
name = "new"
serve = "sleep 8"
ready = "tcp:127.0.0.1:8080"
ready_s = 5.0
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
KERNEL = CachedKernel(
    name="linux-image-6.1.0-50-amd64_6.1.176-1",
    package="linux-image-6.1.0-50-amd64",
    version="6.1.176-1",
    suite="bookworm",
    release="6.1.0-50-amd64",
    names=["deb:bookworm"],
    fetched_utc="2026-01-31T12:00:00+00:00",
)
PULL = b'{"number":7,"pull_request":{"number":7,"head":{"repo":{"full_name":"fork/connstorm"}}}}'
METRICS = [find_metric(name) for name in ("rate", "body.p50", "cause.unknown")]


def read_array(path):
    """Read an array of attempts, to its last row."""
    return open_array(path, ATTEMPT)["start_ns"].sum()


def suite_texts():
    """Return the shorter suites of the package, and two that have every table."""
    texts = [path.read_bytes() for path in sorted(SUITES.glob("*.toml"))]
    return [SUITE, ARMS, *(text for text in texts if len(text) < len(SUITE))]


def read_suite_text(data):
    """Read a suite file."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("not UTF-8") from error
    return load.decode_suite(text, "suite.toml", "suite")


def read_suite(path):
    """Read a suite file and make its cells."""
    return matrix.build_cells(load.read(path))


def read_history(folder):
    """Read all that a list shows of a folder with one run, and refuse nothing: damage is told in its row."""
    return [read_overview(entry) for entry in list_stored(folder.parent)]


def read_results(folder):
    """Read a run or a suite as what compares, gates and draws histories does: its plan, and its results."""
    read_history(folder)
    planned = list(read_planned(folder))
    return planned, [run_row(run, METRICS) for run in read_observations(folder, "")]


def read_captures(path):
    """Read a capture file whole."""
    return capture_file.read_captures([path])


def read_packets(path):
    """Read where the packets of a capture file are, and nothing of what is in them."""
    with CaptureStream(path) as stream:
        for _ in capture_file.walk_packets(stream, FileFacts()):
            pass


def read_kernels(folder):
    """Return what lists the kernels that were downloaded."""
    place = folder / KERNEL.name / cache.FACTS
    place.parent.mkdir()
    os.environ[cache.VARIABLE] = str(folder)
    return writing(place, cache.list_kernels)


def read_journal(folder):
    """Return what reads the journal of changed settings."""
    os.environ[sysctl_journal.FOLDER_VARIABLE] = str(folder)

    def read():
        journal = sysctl_journal.read_journal()
        return journal and (journal.text, journal.is_process_alive)

    return writing(sysctl_journal.journal_file(), read)


def writing(place, read):
    """Return what writes an input to a place, and reads."""

    def read_input(data):
        place.write_bytes(data)
        return read()

    return read_input


def a_history_cache():
    """Return the cache of a history with one run."""
    (run,) = read_observations(DATA / "run-schema-3", "")
    row = run_row(run, METRICS)
    rows = {"run-schema-3": ((("run.json", 1, 2, 3),), [(0, row)])}
    stored = history_cache.CacheFile(history_cache.SCHEMA, "this", [row.facts], rows, {"ab": [1.5, None]})
    return [history_cache.pack_cache(stored)]


RUNS = ("run-schema-1/run.json", "run-schema-2/run.json", "run-schema-3/run.json")
TRIALS = "suite-schema-1/trials/*/trial.json"
FIRST_TRIAL = "trials/0000-*/trial.json"

READERS = {
    "suite TOML": Reader(suite_texts, in_memory(read_suite_text)),
    "suite TOML cells": Reader(files("../../stress/suites/*.toml"), by_file("a.toml", read_suite), share=50),
    "run.json": Reader(files(*RUNS), in_memory(lambda data: decode_run(data, "run.json"))),
    "run.json in parts": Reader(
        files("run-schema-*/run.json"), in_memory(as_types(overview.RunPart, RunHeader, CounterFile, Beginning))
    ),
    "run folder": Reader(files(RUNS[2]), in_copy("run-schema-3", "run.json", run_folder.read), share=10),
    "list": Reader(files(RUNS[2]), in_copy("run-schema-3", "run.json", read_history), share=10),
    "run compared": Reader(files(RUNS[2]), in_copy("run-schema-3", "run.json", read_results), share=10),
    "history entry": Reader(files(RUNS[0]), by_file("run.json", compact_json)),
    "history cache": Reader(a_history_cache, by_file("a.msgpack", lambda path: history_cache.read_cache(path, "this"))),
    "suite.json": Reader(
        files("suite-schema-1/suite.json"), in_copy("suite-schema-1", "suite.json", suite_folder.read)
    ),
    "suite compared by suite.json": Reader(
        files("suite-schema-1/suite.json"), in_copy("suite-schema-1", "suite.json", read_results), share=50
    ),
    "suite compared by trial.json": Reader(
        files(TRIALS), in_copy("suite-schema-1", FIRST_TRIAL, read_results), share=50
    ),
    "trial.json": Reader(files(TRIALS), by_file("trial.json", suite_folder.read_record)),
    "accepted.toml": Reader(lambda: [ACCEPTED], by_file("accepted.toml", accepted.read)),
    "calibration.json": Reader(lambda: [json_bytes(CALIBRATION)], by_file("calibration.json", calibration.read)),
    "verdict.json": Reader(files("verdict-schema-*.json"), by_file("verdict.json", verdict_file.read)),
    "attempts.npy": Reader(files("run-schema-*/attempts.npy"), by_file("attempts.npy", read_array)),
    "capture": Reader(files("captures/*.pcap*"), by_file("a.pcap", read_captures), share=10),
    "capture packets": Reader(files("captures/*.pcap*"), by_file("a.pcap", read_packets)),
    "kernel.json": Reader(encoded(KERNEL), read_kernels),
    "journal": Reader(
        encoded(plan_journal({"net.ipv4.tcp_tw_reuse": "2"}, {"net.ipv4.tcp_tw_reuse": "1"})), read_journal
    ),
    "GitHub event": Reader(
        lambda: [PULL], by_file("event.json", lambda path: read_pull_request(path, "connstorm/connstorm"))
    ),
} | MESSAGES
