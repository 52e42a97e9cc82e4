# SPDX-License-Identifier: MIT
"""The manual page: made of the help, without a fault, and in the wheel."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stress.cli.main import VERBS

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "connstorm.1"
READERS = {  # each prints nothing but faults
    "groff": ["groff", "-man", "-Tutf8", "-Kutf8", "-ww", "-z"],
    "mandoc": ["mandoc", "-T", "lint", "-W", "error"],
}


@pytest.mark.parametrize("reader", READERS)
def test_readers_of_manual_pages_find_no_fault(reader):
    if shutil.which(reader) is None:
        pytest.skip(f"{reader} is not installed")
    ended = subprocess.run([*READERS[reader], PAGE], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


def test_man_shows_every_verb_with_its_options_and_whole_examples():
    if shutil.which("man") is None or shutil.which("groff") is None:
        pytest.skip("man and groff are not installed")
    environment = os.environ | {"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANROFFOPT": "-c", "MAN_KEEP_FORMATTING": ""}
    command = ["man", "--warnings", "--encoding=UTF-8", "-l", PAGE]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    shown = ended.stdout
    assert all(f"   connstorm {name}" in shown for name, summary in VERBS.items() if summary)
    assert "    connstorm run closewait --mines 500 --set net.ipv4.tcp_challenge_ack_limit=50\n" in shown
    assert "       --attempts COUNT\n              connect() calls; by default every port of the range once\n" in shown
    assert "\\" not in shown.replace("kernels commits \\\n", "")
    assert "kernels fetch [OPTIONS] NAME…" in shown


def test_the_page_is_current(tmp_path):
    made = tmp_path / "connstorm.1"
    subprocess.run([sys.executable, REPOSITORY / "docs" / "generate" / "man.py", made], check=True)
    assert made.read_text() == PAGE.read_text(), "make docs/connstorm.1"
