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


ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PATH=$THERE:$PATH; autoload -Uz compinit; compinit -u -D'
zpty -w shell 'eval "$(_CONNSTORM_COMPLETE=zsh_source connstorm)"; echo load""ed'
repeat 400; do zpty -r -t shell line && [[ $line == *loaded* ]] && break; sleep 0.05; done
zpty -w -n shell $'connstorm run closew\t'
seen=
repeat 400; do zpty -r -t shell part && seen+=$part; [[ $seen == *closewait* ]] && break; sleep 0.05; done
print -r -- "$seen"
zpty -d shell
"""
FISH = '_CONNSTORM_COMPLETE=fish_source connstorm | source; complete -C "connstorm run closew"'


@pytest.fixture
def with_command(tmp_path):
    """Return an environment in whose path the program is."""
    command = tmp_path / "connstorm"
    command.write_text("#!/bin/sh\nexec " + " ".join(program()) + ' "$@"\n')
    command.chmod(0o755)
    return os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "THERE": str(tmp_path), "HOME": str(tmp_path)}


def completed_in(shell, script, environment):
    """Return what a shell prints, which completes as the line of --help for it says."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} (Debian: {shell})")
    options = ["-f"] if shell == "zsh" else []
    ended = subprocess.run([shell, *options, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return ended.stdout


def test_bash_completes_by_what_the_help_says(with_command):
    script = """
        eval "$(_CONNSTORM_COMPLETE=bash_source connstorm)"
        COMP_WORDS=(connstorm run closew) COMP_CWORD=2
        _connstorm_completion connstorm; echo "${COMPREPLY[@]}"
    """
    expected = [name for name in SCENARIOS if name.startswith("closew")]
    assert completed_in("bash", script, with_command).split() == expected


def test_fish_completes_by_what_the_help_says(with_command):
    assert completed_in("fish", FISH, with_command).split() == ["closewait"]


def test_zsh_completes_by_what_the_help_says(with_command):
    """As one types: the Tab in a shell of its own terminal."""
    assert "closewait" in completed_in("zsh", ZSH, with_command)
