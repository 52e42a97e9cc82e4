# SPDX-License-Identifier: MIT
"""The program as a user meets it: a process of its own."""

import subprocess
import sys

PROGRAM = (sys.executable, "-m", "stress")


def connstorm(*arguments, under=(), **options):
    """Run the program to its end; ``under`` is a command that starts it, ``options`` are those of a process."""
    command = [*under, *PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def assert_one_sentence(completed, *words):
    """Assert wrong use: exit code 2, nothing on standard output, no traceback, and these words in the message."""
    assert completed.returncode == 2, completed.stderr
    assert completed.stdout == ""
    assert "Traceback" not in completed.stderr
    for word in words:
        assert word in completed.stderr
