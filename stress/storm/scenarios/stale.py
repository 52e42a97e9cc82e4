# SPDX-License-Identifier: MIT
"""Stale sockets: storms over old sockets of the server in other states than CLOSE_WAIT."""

from stress.model.mine import MineState
from stress.model.outcome import Cause
from stress.model.plan import Plan, Ports
from stress.model.world import ADDRESSES, CLIENT, SERVER, Topology, World
from stress.storm.scenario import ALL, Scenario

SCENARIOS = (
    Scenario(
        "a storm over half-open connections, whose client vanished: an act for each state of the server's end",
        {ALL: "as closewait: each costs one attempt a retry, of {fast}; only the server's sockets tell the states"},
        frozenset({Cause.STALE_SOCKET}),
        Plan(
            scenario="half-open",
            ports=Ports.SHUFFLE,
            port_range=(40000, 44999),
            mines=200,
            source=ADDRESSES[4][CLIENT],
            target=ADDRESSES[4][SERVER],
            world=World(topology=Topology.LINK),  # so that each end has counters of its own
            acts={
                state: {"mine_state": state}
                for state in (
                    *(MineState.ESTABLISHED, MineState.FIN_WAIT_1, MineState.FIN_WAIT_2, MineState.LAST_ACK),
                    MineState.SYN_RECEIVED,
                )
            },
        ),
    ),
)
