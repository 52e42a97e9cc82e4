# SPDX-License-Identifier: MIT
"""What becomes of one input: it is read, refused in a sentence that can be shown, or a finding, which takes a trace."""

import signal
import traceback
import unicodedata

from stress.model.errors import ConnstormError

CPU_MAX_S = 5.0  # of one input
WAIT_MAX_S = 60.0  # of one input, also on a machine that does other things
OUTCOMES = {"read", "refused"}
TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}  # the order of letters


class TooSlowError(BaseException):
    """A reader took longer than it may; no ``except Exception`` of a reader may hide that."""


def catch_slow():
    """Let what takes too long end in TooSlowError."""
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, raise_slow)


def raise_slow(number, _frame):
    raise TooSlowError(f"more than {CPU_MAX_S:g} s" if number == signal.SIGPROF else f"it waits for {WAIT_MAX_S:g} s")


def try_timed(read, data):
    """Return what ``try_input`` does, within its time."""
    try:
        signal.setitimer(signal.ITIMER_PROF, CPU_MAX_S)
        signal.setitimer(signal.ITIMER_REAL, WAIT_MAX_S)
        return try_input(read, data)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def try_input(read, data):
    """Return ``'read'``, ``'refused'``, or the trace of what else happened."""
    try:
        read(data)
    except ConnstormError as error:
        text = str(error)
        return "refused" if is_shown(text) else f"a message with control characters: {text!r}"
    except BaseException:  # noqa: BLE001  # that is what is looked for
        return traceback.format_exc()
    return "read"


def is_shown(text):
    """Return whether a terminal shows a text and does not obey it; a line may end, and a tab is one."""
    return text.isprintable() or not any(
        unicodedata.category(letter) in {"Cc", "Cs"} or unicodedata.bidirectional(letter) in TURNING
        for letter in text.replace("\n", "").replace("\t", "")
    )
