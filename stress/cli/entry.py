# SPDX-License-Identifier: MIT
"""The entry of the program, which is small, so that an interrupt while the rest is being loaded is a sentence too."""

import signal

from stress.cli.early_interrupt import end_on_interrupt


def main() -> None:
    """Run the program."""
    end_on_interrupt()
    from stress.cli import main as loaded  # noqa: PLC0415  # this takes a tenth of a second

    try:
        loaded.main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one while Python ends would be a death by signal
