# SPDX-License-Identifier: MIT
"""Fillers: half-open connections of a second client, which take room in the SYN queue of the server.

The second client never hears the SYN-ACKs, because a rule on its host drops them, and each of its sockets is closed at
once, so that it sends no SYN again. The server sends its SYN-ACK again after 1 s, 3 s and so on. Requests that fill
more than half of the queue are given up early (reqsk_timer_handler()): of 61 in a queue for 60, 31 after 7 s (6.18).
"""

import socket

from stress.lab import wait
from stress.lab.network import Network
from stress.lab.rule_set import withhold_answers
from stress.model.errors import LabError
from stress.model.plan import Plan
from stress.model.world import ADDRESSES, CLIENT2
from stress.storm.mine_connections import set_sequence_number
from stress.storm.mine_states import UNHEARD_ISN
from stress.storm.observed_host import ObservedHost

FIRST_PORT = 10_000
ARRIVAL_LIMIT_S = 5.0
TRIES = 3  # nobody else sends a SYN again that was lost on its way, as while a neighbour is still being found
STILL_S = 0.1  # without another request: all SYNs have arrived


def fill_syn_queue(plan: Plan, network: Network, server: ObservedHost) -> None:
    """Send the SYNs of the plan's fillers; wait until the server has as many requests as it takes.

    Raises:
        LabError: it has none.
    """
    with network.inside(CLIENT2):
        withhold_answers(plan.server_ports, "syn", UNHEARD_ISN)
    counts = [0]

    def have_arrived() -> bool:
        counts.append(server.take_census()["server"].get("SYN-RECEIVED", 0))
        return 0 < counts[-2] == counts[-1]

    for _ in range(TRIES):
        with network.inside(CLIENT2):
            send_syns(plan)
        if wait.wait_until(have_arrived, ARRIVAL_LIMIT_S, interval_s=STILL_S):
            return
    raise LabError(f"The server has none of {plan.fillers:,} half-open connections that were to fill its queue.")


def send_syns(plan: Plan) -> None:
    """Send one SYN of each filler, which is closed before it could send another."""
    for number in range(plan.fillers):
        with socket.socket(socket.AF_INET if plan.family == 4 else socket.AF_INET6) as filler:
            set_sequence_number(filler, UNHEARD_ISN)
            filler.settimeout(0)
            filler.bind((ADDRESSES[plan.family][CLIENT2], FIRST_PORT + number))
            filler.connect_ex((plan.target, plan.target_port))
