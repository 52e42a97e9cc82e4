# SPDX-License-Identifier: MIT
"""An interrupt while the program is being loaded: a sentence, and the end. Nothing has begun by then.

A KeyboardInterrupt in the middle of an import would be a traceback, or whatever an extension module makes of it. This
imports nothing that takes time.
"""

import os
import signal
from types import FrameType

SHELL_BASE = 128  # exit code of shells after a signal, without its number; lab.signals is not loaded yet


def end_on_interrupt() -> None:
    """Let an interrupt end the program at once from now on, unless it is ignored, as nohup(1) does."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)


def raise_on_interrupt() -> None:
    """Let an interrupt raise KeyboardInterrupt from now on: what is to run has been loaded."""
    if signal.getsignal(signal.SIGINT) is leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def leave(number: int, _: FrameType | None) -> None:
    """End the program."""
    os.write(2, b"connstorm: interrupted; nothing has begun.\n")
    os._exit(SHELL_BASE + number)
