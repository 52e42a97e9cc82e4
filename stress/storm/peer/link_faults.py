# SPDX-License-Identifier: MIT
"""What is wrong with a plan on the client's end of a link, found out before anything but calls is sent."""

from collections.abc import Iterator

from stress.model.plan import Plan
from stress.model.world import CLIENT
from stress.storm.peer.end_changes import Permission, change_faults, describe_parts
from stress.storm.peer.joined_peer import JoinedPeer
from stress.storm.peer.time_needed import time_faults


def link_faults(plan: Plan, peer: JoinedPeer) -> Iterator[str]:
    """Yield why a plan cannot be carried out against a serving host that has agreed to it, each sentence once.

    Raises:
        NotApplicableError, UsageError: as of ``change_faults``.
    """
    yield from time_faults(plan, peer.consent.limits, peer.name)
    permission = Permission(peer.may_change)
    acts = plan.storms().values()
    yield from dict.fromkeys(text for act in acts for text in change_faults(act, CLIENT, permission, peer.control))
    if plan.clients and any(list(describe_parts(act, CLIENT)) for act in acts):
        yield (
            f"{plan.scenario} changes more than settings on the client's host, and further clients change nothing; "
            "give one --peer."
        )
