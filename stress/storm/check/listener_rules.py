# SPDX-License-Identifier: MIT
"""The rules for several listeners on one port, and for the use of connections."""

from collections.abc import Iterator

from stress.model.plan import Close, Plan, Ports, Serve
from stress.model.protocol import Protocol
from stress.storm.segment import listing_policy

SOCKETS_MAX = 64  # that one process serves: stress._listener
SECONDS_MAX = 3600


def listener_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with a plan's listeners, and with what it does with connections."""
    if plan.target_ports <= SOCKETS_MAX and not 1 <= plan.listeners * plan.target_ports <= SOCKETS_MAX:
        yield f"--listeners of all server ports must be from 1 to {SOCKETS_MAX}, not {plan.listeners}."
    elif not 0 <= plan.stuck < plan.listeners:
        yield f"--stuck must be from 0 to one less than --listeners {plan.listeners}, not {plan.stuck}."
    if plan.stuck_until_s is not None:
        if not plan.stuck:
            yield "--stuck-until closes the listeners that nobody accepts from; give their number by --stuck."
        if not 0 < plan.stuck_until_s <= SECONDS_MAX:
            yield f"--stuck-until must be above 0 and at most {SECONDS_MAX:,} s, not {plan.stuck_until_s:g}."
    if plan.until_slow and not (plan.is_external and plan.workers == 1):
        yield "--until-slow counts in one process, in a storm against the server of others (--against)."
    yield from use_faults(plan)
    without_bind = plan.ports is Ports.RANGE or (plan.ports.is_sweeping and listing_policy(plan) == "each")
    if plan.protocol is Protocol.MPTCP and (without_bind or plan.close is Close.DISCONNECT):
        yield "--protocol mptcp has neither IP_LOCAL_PORT_RANGE nor --close disconnect; give one --listen-port."


def use_faults(plan: Plan) -> Iterator[str]:
    """Yield why connections cannot be used, or would be used without end."""
    if not plan.use:
        return
    answers = plan.serve is Serve.CLOSE and (not plan.stuck or plan.stuck_until_s is not None)
    if not answers and plan.deadline_s is None:
        yield "--use waits for an answer that not every listener here gives; give a --deadline."
    if plan.protocol is Protocol.TFO:
        yield "--use is timed apart from connect(), which --protocol tfo may leave to the use; leave out one of them."
