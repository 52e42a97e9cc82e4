# SPDX-License-Identifier: MIT
"""Reading captures of others: time and memory, and what scapy needs to walk along the packets without reading them."""

import json
import subprocess
import sys

import pytest
from captures import write_capture
from pairs import spread

MILLION = 1_000_000
# The highest resident size is that of this program alone: what getrusage says begins with its parent's.
READ = """
import json, re, sys, time
from pathlib import Path
from stress.store.capture_file.read import read_captures
start_s = time.perf_counter()
segments = read_captures([Path(sys.argv[1])])
took_s = time.perf_counter() - start_s
(peak_kb,) = re.findall("VmHWM: *([0-9]+)", Path("/proc/self/status").read_text().replace("\\t", " "))
print(json.dumps([len(segments.rows), took_s, int(peak_kb) >> 10]))
"""
# The whole command, its start included.
COMMAND = """
import json, re, sys, time
from pathlib import Path
start_s = time.perf_counter()
from stress.run.capture import read_capture
path = read_capture([Path(sys.argv[1])], Path(sys.argv[1]).parent)
took_s = time.perf_counter() - start_s
(peak_kb,) = re.findall("VmHWM: *([0-9]+)", Path("/proc/self/status").read_text().replace("\\t", " "))
print(json.dumps([json.loads((path / "run.json").read_text())["summary"]["attempts"], took_s, int(peak_kb) >> 10]))
"""
WALK = """
import json, sys, time
from scapy.utils import RawPcapNgReader, RawPcapReader
start_s = time.perf_counter()
with (RawPcapNgReader if sys.argv[1].endswith("ng") else RawPcapReader)(sys.argv[1]) as reader:
    count = sum(1 for _ in reader)
print(json.dumps([count, time.perf_counter() - start_s, 0]))
"""
ROUNDS = 5


def measure(program, path):
    """Run a program with a file; return the packets, the seconds and the MB that it says."""
    return json.loads(subprocess.run([sys.executable, "-c", program, path], check=True, capture_output=True).stdout)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.pcap", "pcap"),
        ("a.pcapng", "pcapng"),
        ("a.pcap.gz", "pcap, by gzip"),
        ("full.pcap", "pcap, 1,448 bytes of data in two of ten packets"),
    ],
)
def test_reading(benchmark, table, tmp_path, name, words):
    path = tmp_path / name
    write_capture(path, MILLION, is_pcapng=name.endswith("ng"), data_bytes=1448 if name == "full.pcap" else None)
    rounds = []
    benchmark.pedantic(lambda: rounds.append((measure(READ, path), measure(WALK, path))), rounds=ROUNDS)
    assert {count for pair in rounds for count, _, _ in pair} == {MILLION}
    took_s = sorted(ours[1] for ours, _ in rounds)
    table.add(
        "Reading captures",
        ("file", "packets", "time", "memory", "reading / scapy's walk along the packets (quartiles)"),
        words,
        f"{MILLION:,}",
        f"{took_s[ROUNDS // 2]:.2f} s",
        f"{max(ours[2] for ours, _ in rounds)} MB",
        spread([ours[1] / theirs[1] for ours, theirs in rounds]),
    )


@pytest.mark.parametrize(("name", "words"), [("a.pcap", "pcap"), ("a.pcapng", "pcapng")])
def test_connstorm_read(benchmark, table, tmp_path, name, words):
    path = tmp_path / name
    write_capture(path, MILLION, is_pcapng=name.endswith("ng"))
    rounds = []
    benchmark.pedantic(lambda: rounds.append(measure(COMMAND, path)), rounds=ROUNDS)
    assert {count for count, _, _ in rounds} == {MILLION // 10}
    took_s = sorted(took_s for _, took_s, _ in rounds)
    table.add(
        "connstorm read",
        ("file", "packets", "tries", "time (quartiles)", "memory"),
        words,
        f"{MILLION:,}",
        f"{MILLION // 10:,}",
        f"{took_s[ROUNDS // 2]:.1f} s ({took_s[1]:.1f} to {took_s[-2]:.1f})",
        f"{max(mb for _, _, mb in rounds)} MB",
    )
