# SPDX-License-Identifier: MIT
"""The rules for the old sockets of a plan: the state of its mines, who makes them, and what fills the SYN queue."""

from collections.abc import Iterator

from stress.lab.sysctl import PORT_MAX
from stress.model.mine import UNHEARD_STATES, Isn, Laying, MineState, Release
from stress.model.plan import Plan
from stress.model.world import CLIENT, CLIENT2, Topology, World
from stress.storm.bystanders import bystander_ports

BYSTANDERS_MAX = 1_000_000
BYSTANDER_STATES = (MineState.TIME_WAIT, MineState.ESTABLISHED)


def old_socket_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with the sockets that there are before a storm."""
    yield from mine_faults(plan)
    yield from filler_faults(plan)
    yield from bystander_faults(plan)


def bystander_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with the sockets that the storm does not meet."""
    if not 0 <= plan.bystanders <= BYSTANDERS_MAX:
        yield f"bystanders must be from 0 to {BYSTANDERS_MAX:,}, not {plan.bystanders:,}."
    elif plan.bystanders and (plan.host or plan.world.topology is not Topology.LOOPBACK):
        yield "Bystanders are laid on one host with a private namespace; leave out --host, and the hosts of a world."
    elif plan.bystanders and bystander_ports(plan)[-1] > PORT_MAX:
        yield f"{plan.bystanders:,} bystanders need ports above {PORT_MAX}; lower --listen-port."
    if plan.bystander_state not in BYSTANDER_STATES:
        yield f"Bystanders are in {' or '.join(BYSTANDER_STATES)}, not in {plan.bystander_state}."


def mine_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with the minefield of a plan."""
    if plan.mines_from not in (CLIENT, CLIENT2) or plan.mines_from not in plan.world.topology.hosts:
        yield f"Mines are laid from a client's host; there is no {plan.mines_from!r} in {plan.world.topology}."
    if plan.mines_from != CLIENT and not plan.world.hides_clients:
        yield "Old sockets of another client are mines only behind a router that translates addresses."
    if plan.mine_state is MineState.CLOSE_WAIT:
        return
    if plan.host and plan.world == World():  # a world of hosts is refused anyway
        yield f"Mines in {plan.mine_state} are laid inside the private namespace only; leave out --host."
    if plan.laying is not Laying.SEED or plan.release is Release.KEEP:
        yield f"Mines in {plan.mine_state} lie on ports drawn from the seed, which are free at once."
    if plan.mine_state in UNHEARD_STATES and plan.isn is not Isn.KERNEL:
        yield f"Mines in {plan.mine_state} have sequence numbers of their own, by which they are known."
    if plan.mine_state in UNHEARD_STATES and plan.world.translates:
        yield f"The router would answer for the clients of mines in {plan.mine_state}; use another state."


def filler_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with the half-open connections that fill the server's queue."""
    if plan.fillers and plan.world.topology is not Topology.TWO_CLIENTS:
        yield f"A second client fills the server's queue; there is none in {plan.world.topology}."
    if plan.fillers and plan.world.translates:
        yield "The router would answer for the half-open connections that fill the server's queue."


def deaf_hosts(plan: Plan) -> list[str]:
    """Return the hosts on which a rule drops the server's answers to clients that are gone."""
    of_mines = [plan.mines_from] if plan.mines and plan.mine_state in UNHEARD_STATES else []
    return [*of_mines, *([CLIENT2] if plan.fillers else [])]
