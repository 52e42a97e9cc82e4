# SPDX-License-Identifier: MIT
"""A look at the server's host around a storm: what listens there, and whether its kernel has a route to the client."""

import errno
import socket

from stress.lab import listening, socket_owner, sysctl
from stress.model.plan import Plan
from stress.model.record import ListeningReport
from stress.model.world import Topology
from stress.storm.peer.answers import Look

SOMAXCONN = "net.core.somaxconn"


class ServerLook:
    """The state of the server's host, which the calling thread is on, when a storm begins."""

    def __init__(self, plan: Plan) -> None:
        """Look now."""
        self.plan = plan
        self.listening = listening.list_listening()
        self.return_error = find_return_error(plan)

    def end(self) -> Look:
        """Look again after the storm, on the same host; return what is known of both times."""
        plan = self.plan
        listening_after = listening.list_listening()
        reports = report_listening(plan, self.listening, listening_after)
        elsewhere = listening.list_elsewhere(plan.target, plan.server_ports)
        return_error = find_return_error(plan)
        return Look(
            listening=reports,
            return_error=return_error if return_error == self.return_error else None,
            listener_elsewhere=[] if targets(plan, listening_after) else elsewhere,
        )


def find_return_error(plan: Plan) -> str | None:
    """Return the errno of the server's kernel when it is asked for a route to the client; None if it has one.

    Only where the server sees the client's own address, and has no other client.
    """
    if plan.world.topology is Topology.LOOPBACK or plan.world.hides_clients or plan.sources > 1:
        return None
    return find_route_error(plan.source, plan.target_port)


def find_route_error(target: str, port: int) -> str | None:
    """Return the errno of the kernel when it is asked for a route and a source address towards a target, or None.

    connect() of a UDP socket chooses a source address as that of TCP does, and sends nothing. It needs a port as well;
    where that is all that it did not get (EAGAIN, inet_autobind()), nothing is known of the address.
    """
    domain = socket.AF_INET6 if ":" in target else socket.AF_INET
    with socket.socket(domain, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, port))
        except OSError as error:
            return None if error.errno == errno.EAGAIN else errno.errorcode.get(error.errno or 0, str(error))
    return None


def report_listening(
    plan: Plan, before: list[listening.ListeningSocket], after: list[listening.ListeningSocket]
) -> list[ListeningReport]:
    """Return a report of every socket that listened before or after the storm, those on the target first."""
    drops = listening.drops_since(before, after)
    sockets = {entry.cookie: entry for entry in (*before, *after)}
    on_target = {entry.cookie for entry in (*targets(plan, before), *targets(plan, after))}
    owners = socket_owner.find_owners({entry.inode for entry in sockets.values()})
    somaxconn = int(sysctl.read(SOMAXCONN) or 0)
    return [
        ListeningReport(
            address=entry.address,
            port=entry.port,
            on_target=cookie in on_target,
            drops=drops[cookie],
            limit=entry.limit,
            waiting=entry.waiting,
            capped=entry.limit == somaxconn,
            owner=owners.get(entry.inode) or socket_owner.user_text(entry.uid),
        )
        for cookie, entry in sorted(sockets.items(), key=lambda item: (item[0] not in on_target, item[0]))
    ]


def targets(plan: Plan, sockets: list[listening.ListeningSocket]) -> list[listening.ListeningSocket]:
    """Return the sockets that the plan's SYNs reach: those bound to the target itself, or else those bound to any."""
    serving = [entry for entry in sockets if entry.serves(plan.target, plan.server_ports)]
    exact = {entry.port for entry in serving if not entry.is_bound_to_any}
    return [entry for entry in serving if not (entry.is_bound_to_any and entry.port in exact)]
