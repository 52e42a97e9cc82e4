# SPDX-License-Identifier: MIT
"""All rules in the order in which they are tried: the first that holds for an attempt names its cause.

What ends an attempt before its first SYN comes first, then what the first SYN met, then what became of the others.
"""

from stress.analysis.attribution.rules import (
    challenge,
    collision,
    given_up,
    interception,
    link,
    loss,
    option,
    path,
    port,
    queue,
    refusal,
    stall,
    time_wait,
    translation,
    use,
)
from stress.analysis.attribution.rules.rule import Rule
from stress.model.outcome import Cause

RULES: tuple[Rule, ...] = (
    *port.RULES,
    *path.RULES,  # before refusals: a host whose neighbour does not answer sends itself an ICMP error
    *refusal.RULES,
    *link.REFUSALS,
    *interception.RULES,  # before collisions: on kernels before 5.6 an RST of the client leaves the same gap
    *collision.RULES,
    *time_wait.RULES,
    *challenge.RULES,
    *given_up.RULES,
    *option.RULES,
    *loss.RULES[:3],  # by the kernel's own word, which queues rest on, or by TCPRetransFail
    *queue.RULES,
    *translation.RULES,
    *link.LOSSES,
    *loss.RULES[3:],
    *use.RULES,  # what was wrong with connect() comes first, but for a stall: it delays, and nothing fails
    *stall.RULES,
)
COLLISIONS = frozenset(
    rule.cause for rule in (*interception.RULES, *collision.RULES, *time_wait.RULES, *challenge.RULES, *given_up.RULES)
)


def rules_of(cause: Cause) -> list[Rule]:
    """Return the rules that claim a cause, in their order."""
    return [rule for rule in RULES if rule.cause is cause]
