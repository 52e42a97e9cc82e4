# SPDX-License-Identifier: MIT
"""Session: what one machine did without a reboot and without a long pause. Imports no numpy.

Trials of one session meet the same machine: the same memory layout, the same neighbours, the same clock frequency.
From one session to the next these change, and medians with them, whatever the number of trials in each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# Longer than what a suite needs between two trials: it waits for an idle machine for ten seconds by default. Much
# shorter than the hours after which a machine is another one.
PAUSE_MAX_S = 600.0


@dataclass(frozen=True)
class Stretch:
    """Some time that a machine was in use.

    Attributes:
        start_s: when it began, in s since 1970.
        end_s: when it ended.
        boot: the boot of the machine; "" where it is not known.
    """

    start_s: float
    end_s: float
    boot: str = ""


def number_sessions(stretches: Sequence[Stretch]) -> list[int]:
    """Return the number of the session of each stretch, counted from 0 in the order of time.

    Another session begins after a pause of more than PAUSE_MAX_S, and with another boot. A stretch whose boot is not
    known belongs to the session before it, unless there was a pause.

    Args:
        stretches: of one machine, in any order; they may overlap.
    """
    numbers: dict[int, int] = {}
    number, ended_s, boot = 0, None, ""
    for place, stretch in sorted(enumerate(stretches), key=lambda at: (at[1].start_s, at[1].end_s)):
        if ended_s is not None:
            has_rebooted = bool(boot and stretch.boot) and stretch.boot != boot
            if has_rebooted or stretch.start_s - ended_s > PAUSE_MAX_S:
                number, ended_s, boot = number + 1, None, ""
        ended_s = stretch.end_s if ended_s is None else max(ended_s, stretch.end_s)
        boot = stretch.boot or boot
        numbers[place] = number
    return [numbers[place] for place in range(len(stretches))]
