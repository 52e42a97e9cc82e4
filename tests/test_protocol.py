# SPDX-License-Identifier: MIT
"""The protocol number: a host that speaks another protocol is refused in one sentence, before any trial.

``tests/data/protocol-1`` has what connstorm of commit 172dbc1 printed for ``run-cell --attest`` (with fewer settings)
and what it sent over ssh to have a trial run. Over ssh and dask this is tested in test_ssh.py and test_fleet.py.
"""

import subprocess
from pathlib import Path

import msgspec
import pytest
from command import program

import stress
from stress.model.errors import LabError, UsageError
from stress.model.suite import Fingerprint
from stress.run import process
from stress.run.protocol import PROTOCOL, UNNUMBERED, decode_fingerprint, require_protocol
from stress.suite.executor.agent import decode_request
from stress.suite.executor.local import Local

PROTOCOL_1 = Path(__file__).parent / "data" / "protocol-1"  # never to be changed
FINGERPRINT = (PROTOCOL_1 / "fingerprint.json").read_bytes()
REQUEST = (PROTOCOL_1 / "request.json").read_bytes()
REFUSED = (
    f"runs connstorm 0.1.0, which speaks protocol 1, but this connstorm {stress.__version__} speaks protocol "
    f"{PROTOCOL}; install the same version of connstorm on both."
)


def test_this_host_says_its_protocol():
    assert process.request_fingerprint().protocol == PROTOCOL


def test_a_fingerprint_without_a_number_counts_as_protocol_1():
    assert msgspec.json.decode(FINGERPRINT, type=Fingerprint).protocol == UNNUMBERED == 1


def test_the_fingerprint_of_protocol_1_is_refused_in_one_sentence():
    with pytest.raises(LabError) as refused:
        decode_fingerprint(FINGERPRINT, "lab1")
    assert str(refused.value) == f"lab1 {REFUSED}"


def test_this_machine_is_refused_when_its_connstorm_speaks_protocol_1(monkeypatch):
    monkeypatch.setattr(process, "RUN_CELL", ("sh", "-c", f"cat {PROTOCOL_1 / 'fingerprint.json'}"))
    with pytest.raises(LabError) as refused:
        Local().fingerprint("local")
    assert str(refused.value) == f"This host {REFUSED}"


@pytest.mark.parametrize("number", [0, UNNUMBERED, PROTOCOL + 1])
def test_every_other_number_is_refused(number):
    with pytest.raises(LabError, match=f"lab1 speaks protocol {number}, but"):
        require_protocol(number, "lab1")
    require_protocol(PROTOCOL, "lab1")


def test_what_is_no_fingerprint_is_refused():
    with pytest.raises(LabError, match="lab1 did not say what it is but b'hello'"):
        decode_fingerprint(b"hello", "lab1")


@pytest.mark.parametrize("option", ["--agent", "--envoy"])  # the second is how connstorm 0.1.0 starts it
def test_the_trial_request_of_protocol_1_is_refused_before_anything_runs(option):
    ended = subprocess.run(program("run-cell", option), input=REQUEST, capture_output=True, check=False)
    assert ended.returncode == LabError.exit_code
    assert ended.stdout == b""
    assert b"The connstorm that sends this trial speaks protocol 1, but this" in ended.stderr
    assert b"install the same version of connstorm on both." in ended.stderr


def test_what_is_no_trial_request_is_refused():
    for line in (b"hello", b'{"protocol": "two"}', msgspec.json.encode({"protocol": PROTOCOL})):
        with pytest.raises(UsageError, match="trial request on standard input cannot be read"):
            decode_request(line)
