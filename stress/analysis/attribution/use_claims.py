# SPDX-License-Identifier: MIT
"""What the uses of connections say, for the books: those that were answered, and those that met a reset."""

import errno
from collections.abc import Iterator

from stress.model.plan import Serve
from stress.model.run import Storm


def count_listener_resets(storm: Storm) -> int:
    """Return how many connections a listener that closed reset, without those that the client's close would have reset.

    Some of them may be reset before connect() has returned.
    """
    plan = storm.act.plan
    if plan.stuck_until_s is None:
        return 0
    before = int((storm.attempts["error"] == errno.ECONNRESET).sum())
    return before + (0 if plan.close.sends_rst else count_reset_in_queue(storm))


def count_reset_in_queue(storm: Storm) -> int:
    """Return how many connections met a reset when they were first used, where listeners closed with their queues."""
    if storm.act.plan.stuck_until_s is None:
        return 0
    return int((storm.uses["error"] == errno.ECONNRESET).sum())


def use_claims(storm: Storm) -> Iterator[tuple[str, int, str, int]]:
    """Yield the claim on uses that were answered; what was still waiting may be answered later."""
    uses, act = storm.uses, storm.act
    if len(uses) and act.plan.serve is Serve.CLOSE and not (uses["error"] == errno.EINPROGRESS).any():
        answered = int(((uses["use_ns"] > 0) & (uses["error"] == 0)).sum())
        yield "uses that were answered", answered, "answered by the server", act.listener.answered
