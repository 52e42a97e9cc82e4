# SPDX-License-Identifier: MIT
"""Commands that write, killed while they do: what they write is complete or absent, the next is as the first."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stress.lab import wait

DATA = Path(__file__).parent / "data"
RUN, SUITE = DATA / "run-schema-3", DATA / "suite-schema-1"
CAPTURE = next((DATA / "captures").glob("*.pcap*"))
VERBS = {
    "history": ("history", "out", "--add", str(SUITE)),
    "read": ("read", str(CAPTURE), "-o", "out"),
    "report": ("report", str(RUN), "-o", "out/page.html"),
    "export": ("export", str(RUN), "--format", "csv", "-o", "out/attempts.csv"),
}
ALL = bool(os.environ.get("CONNSTORM_MACHINE"))
SIGNALS = (signal.SIGKILL, signal.SIGINT)
DELAYS_S = (0.0, 0.002, 0.01, 0.05) if ALL else (0.0,)
LIMIT_S = 60


def start(verb, folder):
    (folder / "out").mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "stress", *VERBS[verb]]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def files(folder):
    """Return the names of what is complete, and sizes where they are the same each time; pictures are drawn after."""
    whole = [
        path
        for path in (folder / "out").rglob("*")
        if path.is_file() and ".partial" not in str(path) and path.suffix not in {".png", ".svg"}
    ]
    return sorted((path.name, path.stat().st_size if path.suffix in {".csv", ".npy"} else 0) for path in whole)


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Return what each verb writes when nothing ends it, once it is asked for."""
    known = {}

    def write(verb):
        if verb not in known:
            folder = tmp_path_factory.mktemp(verb)
            process = start(verb, folder)
            told = process.communicate(timeout=LIMIT_S)
            assert process.returncode == 0, told
            known[verb] = files(folder)
        return known[verb]

    return write


@pytest.mark.parametrize("after_s", DELAYS_S)
@pytest.mark.parametrize("number", SIGNALS if ALL else SIGNALS[:1])
@pytest.mark.parametrize("verb", VERBS)
def test_what_a_command_writes_is_complete_or_absent_after_a_signal(complete, tmp_path, verb, number, after_s):
    whole = complete(verb)
    process = start(verb, tmp_path)
    assert wait.wait_until(lambda: any((tmp_path / "out").iterdir()) or process.poll() is not None, LIMIT_S, 0.0005)
    time.sleep(after_s)
    process.send_signal(number)
    _, told = process.communicate(timeout=LIMIT_S)
    assert "Traceback" not in told
    assert files(tmp_path) in ([], whole)
    if files(tmp_path):
        shutil.rmtree(tmp_path / "out")
    again = start(verb, tmp_path)
    assert again.communicate(timeout=LIMIT_S)
    assert again.returncode == 0
    assert files(tmp_path) == whole
    assert not list((tmp_path / "out").rglob(".*.partial"))
