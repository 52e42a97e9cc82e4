# SPDX-License-Identifier: MIT
"""The minefield: CLOSE_WAIT sockets that a server leaked, whose peers' ports are free again."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import numpy as np
import numpy.typing as npt

from stress._fastconnect import now_ns, storm
from stress.lab import census, sysctl, wait
from stress.lab.listener import Listener
from stress.model.attempt import blank
from stress.model.errors import LabError
from stress.model.notify import Notify
from stress.model.plan import Plan, Release
from stress.model.run import MINE
from stress.storm.check import DESCRIPTORS_KEPT

TW_BUCKETS = "net.ipv4.tcp_max_tw_buckets"
LAYING_WINDOW = 64
ROUNDS_MAX = 4
ACCEPT_LIMIT_S = 30.0
RELEASE_MARGIN_S = 15.0  # beyond the time that FIN_WAIT_2 lasts: retransmits of a lost FIN, a slow machine
CLIENT_STATES = ("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "LAST-ACK", "TIME-WAIT")


def lay(
    plan: Plan, listener: Listener, ports: npt.NDArray[Any], nofile: int, notify: Notify = lambda _: None
) -> npt.NDArray[Any]:
    """Lay a mine on each port and return the mines that a census confirms, shape (mines,), dtype MINE.

    The client connects and closes with FIN; the server's holder processes accept and never close. Then the
    clients' FIN_WAIT_2 is waited out, as the plan says. A few connections in ten thousand leave no mine and are made
    again: when the server's ACK comes while close() still owns the socket, that stays a full socket in FIN_WAIT_2,
    which ends with an RST to the server (tcp_rcv_state_process(), tcp_keepalive_timer()).

    Raises:
        LabError: a mine could not be laid, or a client's port did not become free.
    """
    missing = ports
    for _ in range(ROUNDS_MAX):
        notify(f"laying {len(missing):,} mines, whose ports are free after {fin_wait_2_s(plan):g} s at most")
        lay_round(plan, listener, missing, nofile)
        mines = standing(plan)
        missing = np.setdiff1d(ports, mines["local_port"])
        if not len(missing):
            break
    if odd := np.setxor1d(mines["local_port"], ports).tolist():
        raise LabError(
            f"{len(ports):,} mines were laid, but the census finds {len(mines):,} CLOSE_WAIT sockets; it differs on "
            f"{len(odd):,} ports, the first of them {odd[0]}."
        )
    return mines


def lay_round(plan: Plan, listener: Listener, ports: npt.NDArray[Any], nofile: int) -> None:
    """Make and leak one connection from each port, and wait until the ports are free."""
    accepted_before = listener.report().accepted
    for share in shares(len(ports), nofile - DESCRIPTORS_KEPT):
        listener.start(leak=share, then="leave")
    with released(plan):
        connect_and_close(plan, ports)
        if not listener.wait_accepted(accepted_before + len(ports), ACCEPT_LIMIT_S):
            report = listener.report()
            raise LabError(
                f"The server accepted {report.accepted - accepted_before:,} of {len(ports):,} connections that "
                f"were to become mines; its errors: {report.errors or 'none'}."
            )
        wait_released(plan, fin_wait_2_s(plan))


def shares(mines: int, capacity: int) -> list[int]:
    """Divide mines among as few processes as may hold them."""
    full, rest = divmod(mines, capacity)
    return [capacity] * full + ([rest] if rest else [])


@contextmanager
def released(plan: Plan) -> Iterator[None]:
    """Let no timewait socket be made meanwhile, if that is how the plan frees the clients' ports.

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


def connect_and_close(plan: Plan, ports: npt.NDArray[Any]) -> None:
    """Make one connection from each port and close it with FIN."""
    attempts = blank(len(ports))
    recorded, interrupted = storm(
        attempts,
        target=plan.target,
        target_port=plan.target_port,
        source=plan.source,
        ports="list",
        port_list=ports,
        close="fin",
        attempts=len(ports),
        window=LAYING_WINDOW,
        epoch_ns=now_ns(),
        linger2_s=0 if plan.release is Release.FIN_TIMEOUT else 1,  # without buckets, for the few full sockets
    )
    if interrupted:
        raise KeyboardInterrupt
    failed = attempts[:recorded][attempts["error"][:recorded] != 0]
    if len(failed):
        raise LabError(
            f"{len(failed):,} of {len(ports):,} connections that were to become mines failed, the first "
            f"from port {failed['local_port'][0]} with errno {failed['error'][0]}."
        )


def fin_wait_2_s(plan: Plan) -> float:
    """Return how long FIN_WAIT_2 lasts at most with this plan."""
    if plan.release is Release.FIN_TIMEOUT:
        return float(sysctl.read("net.ipv4.tcp_fin_timeout") or 60)
    return 1.0


def wait_released(plan: Plan, expected_s: float) -> None:
    """Wait until the clients have no socket left, by census."""
    source = str(ip_address(plan.source))

    def left() -> Iterator[census.Socket]:
        found = census.sockets(plan.family, CLIENT_STATES, remote_port=plan.target_port)
        return (each for each in found if each.local_address == source)

    if not wait.until(lambda: next(left(), None) is None, expected_s + RELEASE_MARGIN_S, interval_s=0.05):
        states = Counter(each.state for each in left())
        raise LabError(
            f"The clients' ports were not free after {expected_s + RELEASE_MARGIN_S:g} s: "
            f"{', '.join(f'{count:,} in {state}' for state, count in states.items())}."
        )


def standing(plan: Plan) -> npt.NDArray[Any]:
    """Return the mines that stand now: the server's CLOSE_WAIT sockets, shape (mines,), dtype MINE."""
    source = str(ip_address(plan.source))
    found = census.sockets(plan.family, ["CLOSE-WAIT"], local_port=plan.target_port)
    ports = [each.remote_port for each in found if each.remote_address == source]
    mines = np.zeros(len(ports), MINE)
    mines["local_port"] = sorted(ports)
    return mines
