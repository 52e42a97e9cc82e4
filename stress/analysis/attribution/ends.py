# SPDX-License-Identifier: MIT
"""Counters of the server alone: where client and server are hosts of their own, both have the same ones."""

from stress.model.record import Act
from stress.model.world import SERVER

# The client counts a challenge, too, for each SYN-ACK that comes once it has connected (tcp_validate_incoming()).
CHALLENGES = ("TCPSYNChallenge", "TCPChallengeACK", "TCPACKSkippedChallenge")


def server_counter(act: Act, counter: str) -> tuple[str, int]:
    """Return the name of a counter of the server, and by how much it rose; where there is one host, that host's."""
    if SERVER not in act.hosts:
        return counter, act.counters.get(counter, 0)
    return f"{counter} of the server", act.hosts[SERVER].counters.get(counter, 0)
