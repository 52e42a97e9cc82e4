# SPDX-License-Identifier: MIT
"""The target of a storm against a server of others: its address by name, the source, and that nothing leaves."""

import socket
from pathlib import Path

import msgspec

from stress.lab import census, host_names, listening, translation
from stress.lab.local_route import find_local_source
from stress.lab.reachability import RESET
from stress.model.errors import UsageError
from stress.model.plan import Plan
from stress.model.text import endpoint_text, join_words
from stress.storm.server_look import targets

ANSWER_LIMIT_S = 1.5  # a SYN that is lost is sent again after 1 s


def settle_target(plan: Plan, hosts: Path = host_names.HOSTS) -> tuple[Plan, list[str]]:
    """Return a plan whose target is an address that is local in this network namespace, and at which somebody listens.

    And sentences for the reader of the run.

    Of a name's addresses it is the first at which somebody does; each of them must be local, or be the loopback's in a
    family that is off. The source address is the one that the kernel chooses towards the target.

    Args:
        plan: of the storm; its target is an address or a name.
        hosts: the file of host names.

    Raises:
        UsageError: an address is not local, or may be carried elsewhere, or nobody listens; nothing was sent.
    """
    settled: list[Plan] = []
    refusals: list[UsageError] = []
    for address in host_names.find_addresses(plan.target, hosts):
        try:
            source = find_local_source(str(address), plan.target_port)
        except UsageError as error:
            if not address.is_loopback:
                raise
            refusals.append(error)  # such as ::1 for localhost where IPv6 is off
        else:
            family = 6 if address.version == 6 else 4
            settled.append(msgspec.structs.replace(plan, target=str(address), source=source, family=family))
    if not settled:
        raise refusals[0]
    sockets = listening.list_listening()
    served = [candidate for candidate in settled if targets(candidate, sockets)]
    if not served:
        raise nobody_listens(settled[0], plan.target)
    unseen = translation.refuse_translation(served[0].target, plan.target_port)
    return served[0], [unseen] if unseen and not is_reached(served[0]) else []


def is_reached(plan: Plan) -> bool:
    """Connect once; return whether the server's end of the connection is there, at the target's own port.

    Where rules cannot be seen, one could lead to another port of this host.

    Raises:
        UsageError: the connection is made, and its other end is not at that port.
    """
    with socket.socket(socket.AF_INET6 if plan.family == 6 else socket.AF_INET) as client:
        client.settimeout(ANSWER_LIMIT_S)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)  # it leaves no TIME-WAIT
        try:
            client.connect((plan.target, plan.target_port))
        except OSError:  # which the storm is there to explain
            return False
        ends = census.list_family(plan.family, local_port=plan.target_port, remote_port=client.getsockname()[1])
    if not len(ends):
        raise UsageError(
            f"A connection to {endpoint_text(plan.target, plan.target_port)} was made and did not come to who listens "
            "there: a rule of a firewall leads it elsewhere. Storm the address that it leads to; nothing more was sent."
        )
    return True


def require_local(plan: Plan) -> None:
    """Raise UsageError unless the target is local in this network namespace and the source is the kernel's own."""
    source = find_local_source(plan.target, plan.target_port)
    if source != plan.source:
        raise UsageError(
            f"The kernel's source address towards {plan.target} has changed from {plan.source} to {source}; run again."
        )


def nobody_listens(plan: Plan, host: str) -> UsageError:
    """Return the refusal of a target at which nobody listens, with where somebody does instead."""
    elsewhere = listening.list_elsewhere(plan.target, plan.server_ports)
    there = f"; somebody does on {join_words(elsewhere)}" if elsewhere else "; start the server before the storm"
    name = "" if host == plan.target else f" ({host})"
    place = endpoint_text(plan.target, plan.target_port)
    return UsageError(f"Nobody listens on {place}{name} in this network namespace{there}.")
