# SPDX-License-Identifier: MIT
"""The program that becomes another one, given by its arguments, which the kernel ends when its parent ends."""

import os
import signal
import sys

from stress.lab.pdeathsig import die_with_parent

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # exit codes, as shells have them


def main(command: list[str]) -> int:
    """Become a program; return an exit code when the kernel refuses."""
    die_with_parent(signal.SIGHUP)  # an interactive shell tells its own jobs
    try:
        os.execvp(command[0], command)  # noqa: S606  # the user's own command
    except OSError as error:
        sys.stderr.write(f"connstorm: {command[0]} cannot be run: {error.strerror}.\n")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
