# SPDX-License-Identifier: MIT
"""What a shell completes, asked as bash, zsh and fish ask."""

import os
import shutil
import subprocess

import pytest
from command import program

from stress.storm.catalogue import SCENARIOS


def completed(shell, words, incomplete):
    """Return the words that the program offers to a shell after the words of a command."""
    asked = {"COMP_WORDS": " ".join(["connstorm", *words, incomplete]), "COMP_CWORD": str(len(words) + 1)}
    if shell == "fish":
        asked = {"COMP_WORDS": " ".join(["connstorm", *words]), "COMP_CWORD": incomplete}
    environment = os.environ | asked | {"_CONNSTORM_COMPLETE": f"{shell}_complete"}
    ended = subprocess.run(program(), env=environment, capture_output=True, text=True, check=True)
    lines = ended.stdout.split("\n")
    if shell == "zsh":  # type, value and description, a line each
        return lines[1::3]
    return [line.split(",", 1)[1].split("\t")[0] for line in lines if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_the_names_of_scenarios(shell):
    assert completed(shell, ["run"], "c") == [name for name in SCENARIOS if name.startswith("c")]


@pytest.mark.parametrize(
    ("words", "incomplete", "offered"),
    [
        ([], "sui", ["suite"]),
        (["suite"], "sm", ["sm", "smoke"]),
        (["run", "--act"], "", []),
        (["shell", "accept-queue"], "cl", ["client"]),
        (["explain", "--cause"], "accept", ["accept_queue"]),
        (["run", "clean", "--set"], "net.ipv4.tcp_syn_r", ["net.ipv4.tcp_syn_retries="]),
    ],
)
def test_and_of_what_else_has_a_name(words, incomplete, offered):
    assert completed("bash", words, incomplete) == offered


def test_bash_completes_by_what_the_help_says(tmp_path):
    """The line of --help for ~/.bashrc, in a real bash, with the program on the path."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    command = tmp_path / "connstorm"
    command.write_text("#!/bin/sh\nexec " + " ".join(program()) + ' "$@"\n')
    command.chmod(0o755)
    script = """
        eval "$(_CONNSTORM_COMPLETE=bash_source connstorm)"
        COMP_WORDS=(connstorm run closew) COMP_CWORD=2
        _connstorm_completion connstorm; echo "${COMPREPLY[@]}"
    """
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == [name for name in SCENARIOS if name.startswith("closew")]
