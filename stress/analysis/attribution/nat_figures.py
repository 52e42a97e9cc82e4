# SPDX-License-Identifier: MIT
"""How often chance showed what a scenario of address translation is about: its figures and its verdict."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.syns import Syns
from stress.model.run import Storm
from stress.model.world import ROUTER

TIMESTAMPS = "net.ipv4.tcp_timestamps"


def count_clashes(storm: Storm) -> int:
    """Return how many connections the router's conntrack could not insert."""
    report = storm.act.hosts.get(ROUTER)
    return report.conntrack.get("insert_failed", 0) if report else 0


def count_rounds(storm: Storm) -> int:
    """Return how many times both clients connected from the same port."""
    return len(storm.attempts) // storm.act.address.sources


def snat_race_figures(storm: Storm, _: npt.NDArray[np.uint8], __: Syns) -> Iterator[tuple[str, float | None, str]]:
    """Yield in how many rounds the router gave one port twice."""
    yield "rounds in which a SYN was lost", count_clashes(storm), f"of {count_rounds(storm):,} (insert_failed)"


def snat_race_verdict(storm: Storm, _: Syns) -> str:
    """Say how often the router gave two connections one port."""
    rounds, clashes = count_rounds(storm), count_clashes(storm)
    if clashes:
        return f"In {clashes:,} of {rounds:,} rounds ({clashes / rounds:.1%}) the router gave two connections one port."
    if any("random" in rule.action for rule in storm.act.plan.world.rules):
        return (
            f"In none of {rounds:,} rounds did the router give two connections one port, for it draws them at random."
        )
    return (
        f"Inconclusive: in {rounds:,} rounds the two clients' SYNs never were at the router at the same moment, which "
        "takes two CPUs; try again with more --sweeps, or on a machine that is idle."
    )


def time_wait_figures(storm: Storm, _: npt.NDArray[np.uint8], syns: Syns) -> Iterator[tuple[str, float | None, str]]:
    """Yield on how many ports in TIME_WAIT the next connection was late."""
    yield "ports in TIME-WAIT whose next SYN was refused", int(syns.met_mine.sum()), f"of {len(storm.mines):,}"


def time_wait_verdict(storm: Storm, syns: Syns) -> str:
    """Say on how many ports the next client was behind the one before."""
    met, ports = int(syns.met_mine.sum()), len(storm.mines)
    if met:
        return (
            f"On {met:,} of {ports:,} ports ({met / ports:.1%}) the next client was behind the one before, by chance."
        )
    if storm.act.sysctls.get(TIMESTAMPS) == "2":
        return f"On none of {ports:,} ports was the next client behind the one before: both count from one clock."
    return (
        f"Inconclusive: on none of {ports:,} ports was the next client behind the one before, which the kernel draws "
        "once for each boot; without timestamps it is another draw."
    )
