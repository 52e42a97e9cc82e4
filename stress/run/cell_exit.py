# SPDX-License-Identifier: MIT
"""How the process of a cell ended that had no result, in words."""

import signal

from stress.lab.signals import CANCEL
from stress.model.errors import CRASHED


def exit_text(scenario: str, code: int, limit_s: float | None) -> str:
    """Return a sentence about the end of a process.

    Args:
        scenario: that it ran.
        code: its exit code; negative: the signal that ended it.
        limit_s: the time that it had, where it was ended for taking longer; None: it ended by itself.
    """
    if limit_s is not None:
        return f"{scenario} did not end within {limit_s:g} s and was ended; nothing was stored."
    if code == CRASHED:
        return f"The process that ran {scenario} had a fault, as told above; nothing was stored."
    how = f"code {code}"
    if code < 0:
        how = signal.Signals(-code).name
        if -code == signal.SIGKILL:
            how += ", which the kernel sends when memory runs out"
        elif -code == CANCEL:
            how += ", as when the process that had made it is gone"
    return f"The process that ran {scenario} ended with {how} before it had a result; nothing was stored."
