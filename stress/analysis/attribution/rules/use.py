# SPDX-License-Identifier: MIT
"""Uses: connect() had succeeded, and the first use of the connection failed."""

import errno

import numpy as np

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.rules.rule import Mask, Match, Rule
from stress.model.outcome import Cause
from stress.model.summary import Grade


def reset_in_use(facts: Facts) -> Mask:
    """Return of which attempts the first use met a reset, or connect() itself in its last moment, shape (rows,)."""
    mask: Mask = facts.attempts["error"] == errno.ECONNRESET
    if len(facts.storm.uses):
        mask = mask | (facts.storm.uses["error"][facts.rows] == errno.ECONNRESET)
    return mask


def prove_listener_closed(facts: Facts) -> Match | None:
    """Match connections that were reset in the queue of a listener that closed (inet_csk_listen_stop()).

    No other connection may be missing at the server: one that a firewall resets has been accepted, or will be.
    """
    act, resets = facts.storm.act, reset_in_use(facts)
    closed = sum(listening.on_target and listening.drops is None for listening in act.listening)
    connected = int(np.isin(facts.storm.attempts["error"], (0, errno.ECONNRESET)).sum())
    accepted = act.listener.accepted + act.waiting - act.waiting_before + facts.moved("EmbryonicRsts")
    if not facts.has_counters or act.plan.is_external or not closed or not len(facts.storm.uses):
        return None
    if facts.is_across_link and (facts.crossings is None or not facts.crossings.is_whole):
        return None  # something between may have sent the resets, or swallowed the handshake's last ACK
    if not resets.any() or connected - accepted != int(resets.sum()):
        return None
    return Match(resets, {"closed": closed, "connected": connected, "accepted": accepted})


RULES = (
    Rule(
        name="listener_closed",
        cause=Cause.LISTENER_CLOSED,
        grade=Grade.COUNTED,
        needs="the use of each connection (--use): the first met ECONNRESET; a listener on the target that was there "
        "before the storm and not after it, by its cookie; the report of the laboratory's own server",
        equation="connections - accepted by the server - in its queues - EmbryonicRsts = uses that met ECONNRESET; the "
        "RSTs and the connections reset, OutRsts and EstabResets, are those of the books",
        sentence="connect() had succeeded {connected:,} times, and the server accepted {accepted:,}: the others were "
        "reset in the queue of a listener that closed ({closed} on the target did)",
        prove=prove_listener_closed,
        rests_on=("OutRsts", "EstabResets"),
    ),
)
