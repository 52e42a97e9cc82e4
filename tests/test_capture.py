# SPDX-License-Identifier: MIT
"""Captured packets: what tcpdump reads in the evidence is what the summary says, and what happened."""

import json
import re
import shutil
import socket
import subprocess

import numpy as np
import pytest
from command import connstorm
from namespaced import namespaced

from stress.analysis.attribution.evidence import ATTEMPTS_PER_CAUSE, select_captured_attempts
from stress.analysis.attribution.summary import analyse
from stress.lab import capture
from stress.lab.capture import Capture
from stress.model.errors import LabError
from stress.model.plan import Plan, Ports
from stress.storm.run_plan import carry_out

COLLISION = ["S", ".", "R", "S", "S.", "."]
LOOPBACK = {4: "127.0.0.1", 6: "::1"}


def tcpdump(file, *arguments):
    """Return (seconds, client's port, from the client, flags) of each packet that tcpdump reads in a file."""
    program = shutil.which("tcpdump", path="/usr/bin:/usr/sbin:/bin:/sbin")
    if program is None:
        pytest.skip("tcpdump is not installed")
    command = [program, "-nn", "-tt", "--nano", "-r", str(file), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "precision nanosecond" in done.stderr or not done.stderr or "link-type EN10MB" in done.stderr
    packets = []
    for line in done.stdout.splitlines():
        seconds, source, target, flags = re.match(r"(\S+) IP6? (\S+) > (\S+): Flags \[([^\]]*)\]", line).groups()
        ports = [int(end.rpartition(".")[2]) for end in (source, target)]
        packets.append((seconds, max(ports), ports[1] == 5000, flags))
    return packets


@pytest.fixture(scope="module", params=["4", "6"])
def run(request, tmp_path_factory):
    """Return the folder of a captured run over three mines, and what it printed."""
    results = tmp_path_factory.mktemp("results")
    storm = ["run", "closewait", "--capture", "--port-range", "40000-40063", "--mines", 5, "--family", request.param]
    done = connstorm(*storm, "--json", "--output", results)
    if done.returncode == LabError.exit_code:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    (path,) = results.iterdir()
    return path, json.loads(done.stdout)["summary"]


def test_a_collision_is_six_packets_for_a_tool_that_is_not_ours(run):
    path, summary = run
    (first, *others) = (example for example in summary["evidence"] if example["cause"] == "closewait")
    packets = tcpdump(path / "evidence.pcap", "port", str(first["local_port"]))
    assert [flags for *_, flags in packets] == COLLISION
    assert [from_client for *_, from_client, _ in packets] == [True, False, True, True, False, True]
    assert len(others) == ATTEMPTS_PER_CAUSE - 1


def test_the_ladder_in_the_summary_is_what_tcpdump_reads(run):
    path, summary = run
    for example in summary["evidence"]:
        packets = tcpdump(path / "evidence.pcap", "port", str(example["local_port"]))
        assert [(packet["from_client"], packet["flags"]) for packet in example["packets"]] == [
            (from_client, flags) for *_, from_client, flags in packets
        ]
        timestamps_ns = [int(seconds.replace(".", "")) for seconds, *_ in packets]
        assert [packet["time_ns"] for packet in example["packets"]] == [
            timestamp - timestamps_ns[0] for timestamp in timestamps_ns
        ]


def test_an_attempt_without_a_cause_is_there_to_compare_with(run):
    (plain,) = (example for example in run[1]["evidence"] if example["cause"] == "none")
    assert [packet["flags"] for packet in plain["packets"]] == ["S", "S.", "."]


def test_the_evidence_is_written_with_the_run(run):
    path, _ = run
    document = json.loads((path / "run.json").read_text())
    assert document["files"]["evidence.pcap"]
    assert document["plan"]["capture"] is True


def clean_plan(family=4, **changes):
    address = LOOPBACK[family]
    fields = {"source": address, "target": address, "family": family, "ports": Ports.SHUFFLE, "capture": True}
    return Plan(scenario="clean", **(fields | changes))


@pytest.mark.parametrize("family", [4, 6])
@namespaced(ports=(40000, 40015))
def test_the_packets_of_an_attempt_lie_within_it(family):
    run, (packets,), epoch_ns = carry_out(clean_plan(family))
    (act,) = analyse(run).acts
    assert packets.missed == 0
    assert len(packets.time_ns) == len(packets.client_port) == len(packets.headers) == len(packets.length)
    assert set(packets.client_port.tolist()) == set(range(40000, 40016))
    for attempt in run.attempts:
        own = packets.client_port == attempt["local_port"]
        since_ns = packets.time_ns[own] - epoch_ns - attempt["start_ns"]
        handshake = np.flatnonzero(since_ns > -50_000)[:3]
        assert packets.from_client[own][handshake].tolist() == [True, False, True]
        # The client is connected just before it sends its ACK (tcp_rcv_synsent_state_process, Linux 6.18): when that
        # happens on another CPU, connect() may return first.
        assert (since_ns[handshake[:2]] <= attempt["latency_ns"]).all()
    causes = {shown.evidence.cause for shown in select_captured_attempts(act, packets, epoch_ns)}
    assert "none" in causes
    assert causes <= {"none", "unknown", "stalled"}  # an attempt may wait for a busy machine


@namespaced(ports=(40000, 40015))
def test_a_capture_that_was_full_says_what_it_missed():
    capture.PACKETS_PER_ATTEMPT, capture.FRAMES_MAX, capture.BLOCK_BYTES = 1, 16, 4096
    run, (packets,), _ = carry_out(clean_plan())
    assert len(packets.time_ns) == 16
    (warning,) = run.record.warnings
    assert warning == f"The capture was full after 16 packets and missed {packets.missed}."
    assert packets.missed > 16


@namespaced
def test_only_the_server_s_packets_are_captured():
    with Capture(5000, 4) as ours, socket.create_server(("127.0.0.1", 5000)), socket.create_server(("127.0.0.1", 5001)):
        for port in (5001, 5000, 5001):
            socket.create_connection(("127.0.0.1", port)).close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"not TCP", ("127.0.0.1", 5000))
        packets = ours.packets()
        ports = {tuple(row) for row in packets.headers[:, 34:38].copy().view(">u2").tolist()}
    assert {5000} == {max(0, *(port for port in pair if port == 5000)) for pair in ports}
    assert len(np.unique(packets.client_port)) == 1


def test_a_capture_that_is_refused_says_so():
    """Without a namespace of its own, and without privilege, nobody may capture."""
    import os

    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            Capture(5000, 4)
        except LabError as error:
            os._exit(0 if "Packets cannot be captured here" in str(error) else 2)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
