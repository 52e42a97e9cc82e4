# SPDX-License-Identifier: MIT
"""The rules for the minefield of a plan: the state of its mines, and who makes their connections."""

from collections.abc import Iterator

from stress.model.mine import UNHEARD_STATES, Isn, Laying, MineState, Release
from stress.model.plan import Plan
from stress.model.world import CLIENT, CLIENT2


def mine_faults(plan: Plan) -> Iterator[str]:
    """Yield what is wrong with the minefield of a plan."""
    if plan.mines_from not in (CLIENT, CLIENT2) or plan.mines_from not in plan.world.topology.hosts:
        yield f"Mines are laid from a client's host; there is no {plan.mines_from!r} in {plan.world.topology}."
    if plan.mines_from != CLIENT and not plan.world.hides_clients:
        yield "Old sockets of another client are mines only behind a router that translates addresses."
    if plan.mine_state is MineState.CLOSE_WAIT:
        return
    if plan.host:
        yield f"Mines in {plan.mine_state} are laid inside the private namespace only; leave out --host."
    if plan.laying is not Laying.SEED or plan.release is Release.KEEP:
        yield f"Mines in {plan.mine_state} lie on ports drawn from the seed, which are free at once."
    if plan.mine_state in UNHEARD_STATES and plan.isn is not Isn.KERNEL:
        yield f"Mines in {plan.mine_state} have sequence numbers of their own, by which they are known."
    if plan.mine_state in UNHEARD_STATES and plan.world.translates:
        yield f"The router would answer for the clients of mines in {plan.mine_state}; use another state."


def needs_nft_for_mines(plan: Plan) -> bool:
    """Return whether a rule must keep the server's old sockets from being answered."""
    return plan.mines > 0 and plan.mine_state in UNHEARD_STATES
