# SPDX-License-Identifier: MIT
"""The program as a user meets it: a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import program_copies

REPOSITORY = Path(__file__).parents[1]
PROGRAM = (sys.executable, "-m", "stress")
UNDRAWN = "--no-draw"  # of a run whose figures are not looked at: they take more than half of a small run's time


def program(*arguments):
    """Return the command line of the program, for a process that a test starts by itself."""
    return [*PROGRAM, *map(str, arguments)]


def connstorm(*arguments, under=(), **options):
    """Run the program to its end; ``under`` is a command that starts it, ``options`` are those of a process.

    Where that makes no difference to it, it is a copy of one that has been loaded.
    """
    variables = options.get("env") or os.environ
    place = program_copies.find_place(variables, under)
    if place is not None and options.keys() <= {"cwd", "env", "input", "timeout"}:
        words = program(*arguments)[len(PROGRAM) :]
        how = {"folder": options.get("cwd"), "text": options.get("input"), "timeout_s": options.get("timeout")}
        return program_copies.run_copy(place, words, variables, **how)
    command = [*under, *program(*arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def changed_program(change, *arguments):
    """Return the command line of the program after lines of Python have changed it, as ``program`` does."""
    return [sys.executable, "-c", f"{change}\nfrom stress.cli.entry import main\nmain()", *map(str, arguments)]


def changed_connstorm(change, *arguments, under=(), **options):
    """Run the program after lines of Python have changed a constant that costs time and is not what is tested."""
    command = [*under, *changed_program(change, *arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def assert_one_sentence(completed, *words):
    """Assert wrong use: exit code 2, nothing on standard output, no traceback, and these words in the message."""
    assert completed.returncode == 2, completed.stderr
    assert completed.stdout == ""
    assert "Traceback" not in completed.stderr
    for word in words:
        assert word in completed.stderr
