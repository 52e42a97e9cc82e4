# SPDX-License-Identifier: MIT
"""The minefield: old sockets of a server, such as it leaked in CLOSE_WAIT, whose clients' ports are free again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab import ages, census, sysctl, wait
from stress.lab.listener import Listener
from stress.model.errors import LabError
from stress.model.mine import Laying, MineState, Release
from stress.model.plan import Plan
from stress.model.progress import ProgressCallback, ignore_progress
from stress.model.run import MINE
from stress.storm import four_tuples
from stress.storm.check.plan_rules import DESCRIPTORS_RESERVED
from stress.storm.mine_connections import connect_mines
from stress.storm.mine_states import lay_in_state

AGES_MAX = 100_000  # mines whose ages are read: 0.3 s
TW_BUCKETS = "net.ipv4.tcp_max_tw_buckets"
ROUNDS_MAX = 4
ACCEPT_LIMIT_S = 30.0
REMIND_S = 10.0  # between two messages on how long the wait still is
RELEASE_MARGIN_S = 15.0  # beyond the time that FIN_WAIT_2 lasts: retransmits of a lost FIN, a slow machine
CLIENT_STATES = ("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "LAST-ACK", "TIME-WAIT")


def lay_mines(
    plan: Plan,
    listener: Listener,
    places: npt.NDArray[Any],
    nofile: int,
    notify: ProgressCallback = ignore_progress,
    *,
    list_numbers: Callable[[], npt.NDArray[Any]] | None = None,
    rate_per_s: float | None = None,
) -> None:
    """Lay the plan's mines, on ``places`` (4-tuples) or where clients get their ports, and confirm them by a census.

    The client connects and closes with FIN; the server's holder processes accept and never close. Then the
    clients' FIN_WAIT_2 ends as the plan says. A few connections in ten thousand leave no mine and are made
    again: when the server's ACK comes while close() still owns the socket, that stays a full socket in FIN_WAIT_2,
    which ends with an RST to the server (tcp_rcv_state_process(), tcp_keepalive_timer()). Mines in other states are
    laid by ``mine_states``.

    The calling thread is on the host of the clients. ``list_numbers`` lists the mines as ``list_mine_numbers`` does, on
    the host of the server; None: both are one. ``rate_per_s`` is how many connections may be made a second.

    Raises:
        LabError: a mine could not be laid, or a client's port did not become free.
    """
    missing = places
    others = list_client_sockets(plan)["cookie"]
    for _ in range(ROUNDS_MAX):
        notify(f"laying {len(missing):,} mines{waiting_text(plan)}")
        if plan.mine_state is MineState.CLOSE_WAIT:
            lay_missing(plan, listener, missing, nofile, notify, others=others, rate_per_s=rate_per_s)
        else:
            lay_in_state(plan, listener, missing, rate_per_s)
            wait_for_client_ports(plan, 0, others, notify)
        mines = list_numbers() if list_numbers else list_mine_numbers(plan)
        missing = np.setdiff1d(places, mines) if plan.laying is Laying.SEED else places[len(mines) :]
        if not len(missing):
            break
    strange = np.setdiff1d(mines, places) if plan.laying is Laying.SEED else mines[len(places) :]
    if len(missing) or len(strange):
        raise LabError(
            f"{len(places):,} mines were laid, but the census finds {len(mines):,} {plan.mine_state} sockets; it "
            f"misses {len(missing):,}, and {len(strange):,} are not ours."
        )


def waiting_text(plan: Plan) -> str:
    """Return when the mines' ports are free, in words."""
    if plan.mine_state is not MineState.CLOSE_WAIT:
        return f" in {plan.mine_state}"
    if plan.release is Release.KEEP:
        return ", whose ports stay in FIN_WAIT_2"
    return f", whose ports are free after {fin_wait_2_s(plan):g} s at most"


def lay_missing(
    plan: Plan,
    listener: Listener,
    places: npt.NDArray[Any],
    nofile: int,
    notify: ProgressCallback,
    *,
    others: npt.NDArray[Any],
    rate_per_s: float | None,
) -> None:
    """Make and leak one connection for each 4-tuple, and wait until the ports are free.

    The processes are started one after the other, and each holds as many as it may: if fifty waited at the same
    sockets, each connection would wake all of them. ``others`` are cookies of sockets that nobody waits for.
    """
    laid = 0
    with free_client_ports_at_once(plan):
        for part in split_among_processes(len(places), nofile - DESCRIPTORS_RESERVED):
            if laid:
                notify(f"{laid:,} of {len(places):,} mines laid")
            accepted_before = listener.report().accepted
            listener.start(leak=part, then="leave")
            connect_mines(plan, places[laid : laid + part], rate_per_s)
            if not listener.wait_accepted(accepted_before + part, ACCEPT_LIMIT_S):
                report = listener.report()
                raise LabError(
                    f"The server accepted {report.accepted - accepted_before:,} of {part:,} connections that "
                    f"were to become mines; its errors: {report.errors or 'none'}."
                )
            laid += part
        wait_for_client_ports(plan, fin_wait_2_s(plan), others, notify)


def split_among_processes(mines: int, capacity: int) -> list[int]:
    """Return how many mines each process holds, with as few processes as possible.

    Args:
        mines: of all processes.
        capacity: of one process.
    """
    full, rest = divmod(mines, capacity)
    return [capacity] * full + ([rest] if rest else [])


@contextmanager
def free_client_ports_at_once(plan: Plan) -> Iterator[None]:
    """Allow no timewait sockets inside the context, if that is how the plan frees the clients' ports.

    With no bucket left a FIN_WAIT_2 socket is freed at once and no RST is sent (tcp_time_wait(), counter
    TCPTimeWaitOverflow).
    """
    if plan.release is not Release.NO_BUCKETS:
        yield
        return
    buckets = sysctl.read(TW_BUCKETS) or "0"
    sysctl.write(TW_BUCKETS, "0")
    try:
        yield
    finally:
        sysctl.write(TW_BUCKETS, buckets)


def fin_wait_2_s(plan: Plan) -> float:
    """Return how long (s) FIN_WAIT_2 lasts at most with this plan."""
    if plan.release is Release.FIN_TIMEOUT:
        return float(sysctl.read("net.ipv4.tcp_fin_timeout") or 60)
    return 1.0


def list_client_sockets(plan: Plan, states: Sequence[str] = CLIENT_STATES) -> npt.NDArray[Any]:
    """List the sockets of this host that are connected to the server's ports, shape (sockets,), dtype MESSAGE."""
    first, last = plan.server_ports[0], plan.server_ports[-1]
    sockets = census.list_family(plan.family, states, remote_port=first if first == last else 0)
    of_server = (sockets["local_port"] >= first) & (sockets["local_port"] <= last)
    return sockets[~of_server & (sockets["remote_port"] >= first) & (sockets["remote_port"] <= last)]


def wait_for_client_ports(
    plan: Plan, expected_s: float, others: npt.ArrayLike = (), notify: ProgressCallback = ignore_progress
) -> None:
    """Wait until a census shows no socket of the clients, or only those in FIN_WAIT_2 when the plan leaves them.

    Args:
        plan: of the act.
        expected_s: how long that takes at most.
        others: cookies of sockets that were there before, as an earlier storm leaves them in TIME_WAIT.
        notify: told how long it still takes.
    """
    states = [state for state in CLIENT_STATES if plan.release is not Release.KEEP or state != "FIN-WAIT-2"]

    def left() -> dict[str, int]:
        sockets = list_client_sockets(plan, states)
        return census.count_by_state(sockets[~np.isin(sockets["cookie"], others)])

    left_s = expected_s + RELEASE_MARGIN_S
    while not wait.wait_until(lambda: not left(), min(left_s, REMIND_S), interval_s=0.05):
        left_s -= REMIND_S
        if left_s > 0:
            notify(f"waiting for the clients' ports, {max(left_s - RELEASE_MARGIN_S, 0):g} s more at most")
            continue
        states_text = ", ".join(f"{count:,} in {state}" for state, count in left().items())
        raise LabError(
            f"The clients' ports were not free after {expected_s + RELEASE_MARGIN_S:g} s: {states_text}; see whether a "
            f"firewall drops FINs (nft list ruleset), or whose they are (ss -tanp dport = :{plan.target_port})."
        )


def list_mines(plan: Plan) -> npt.NDArray[Any]:
    """Return the mines that there are now: sockets of the server on the 4-tuples of the plan, whatever their state.

    Shape (mines,), dtype MINE, ascending by 4-tuple; ages as ``ages.read_ages_ms`` tells them, -1 where it does not.
    """
    sockets = census.list_server_sockets(plan.family, plan.server_ports)
    numbers, known = four_tuples.server_socket_numbers(plan, sockets), four_tuples.is_peer_of_client(plan, sockets)
    sockets = sockets[known]
    mines = np.zeros(len(numbers), MINE)
    mines["address"], mines["local_port"] = four_tuples.split_numbers(numbers)
    mines["state"], mines["cookie"] = sockets["state"], sockets["cookie"]
    mines["age_ms"] = np.minimum(ages.read_ages_ms(sockets, limit=AGES_MAX), np.iinfo(np.int32).max)
    return mines[np.argsort(numbers, kind="stable")]


def list_mine_numbers(plan: Plan) -> npt.NDArray[Any]:
    """Return the 4-tuples of the mines in the state in which a plan lays them, ascending, shape (mines,)."""
    port = plan.target_port if plan.target_ports == 1 else 0
    return np.sort(
        four_tuples.server_socket_numbers(plan, census.list_sockets(plan.family, [plan.mine_state], local_port=port))
    )
