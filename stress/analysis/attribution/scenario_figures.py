# SPDX-License-Identifier: MIT
"""The figures that a scenario measures, and its verdict in a sentence."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.listener_figures import (
    reload_figures,
    reload_verdict,
    reuseport_figures,
    reuseport_verdict,
)
from stress.analysis.attribution.loss_figures import rate_limit_figures, rate_limit_verdict
from stress.analysis.attribution.nat_figures import (
    snat_race_figures,
    snat_race_verdict,
    time_wait_figures,
    time_wait_verdict,
)
from stress.analysis.attribution.outcome import OUTCOMES
from stress.analysis.attribution.port_cost import measure_port_cost
from stress.analysis.attribution.port_reuse import expected_hits, reuse_delays_ns, reuse_distances
from stress.analysis.attribution.queue_figures import syn_queue_figures, syn_queue_verdict
from stress.analysis.attribution.syns import Syns
from stress.model.mine import Isn
from stress.model.outcome import Outcome
from stress.model.run import Storm
from stress.model.summary import Figure
from stress.model.world import Drop


def scenario_figures(storm: Storm, outcomes: npt.NDArray[np.uint8], syns: Syns) -> list[Figure]:
    """Return the figures that a storm's scenario measures; none for most scenarios."""
    measure = FIGURES.get(storm.act.plan.scenario)
    return [Figure(storm.act.name, *row) for row in measure(storm, outcomes, syns)] if measure else []


FigureRows = Iterator[tuple[str, float | None, str]]  # name, value, unit


def fin_wait_2_figures(storm: Storm, _: npt.NDArray[np.uint8], __: Syns) -> FigureRows:
    """Yield how soon ports were used again."""
    delays_s = reuse_delays_ns(storm.attempts[storm.attempts["error"] == 0]) / 1e9
    for name, quantile in (("earliest", 0.0), ("median", 0.5), ("latest", 1.0)):
        value = float(np.quantile(delays_s, quantile, method="inverted_cdf")) if len(delays_s) else None
        yield f"port used again, {name}", value, "s after close()"


def port_exhaustion_figures(storm: Storm, outcomes: npt.NDArray[np.uint8], _: Syns) -> FigureRows:
    """Yield how many attempts found a port, and how many of these took one over."""
    yield "connected", int((outcomes == OUTCOMES.index(Outcome.CONNECTED)).sum()), "attempts"
    yield "no port", int((outcomes == OUTCOMES.index(Outcome.NO_PORT)).sum()), "attempts"
    yield "ports taken over in TIME-WAIT", storm.act.counters.get("TWRecycled"), "(TWRecycled)"


def port_cost_figures(storm: Storm, _: npt.NDArray[np.uint8], __: Syns) -> FigureRows:
    """Yield how long connect() takes below and above half of the range, and where that steps up."""
    cost = measure_port_cost(storm)
    yield "connect(), below half of the range", cost.below_ns and cost.below_ns / 1e3, "µs (median)"
    yield "connect(), above half of the range", cost.above_ns and cost.above_ns / 1e3, "µs (median)"
    yield "the step lies at", cost.knee and cost.knee * 100, "% of the range"


def port_choice_figures(storm: Storm, _: npt.NDArray[np.uint8], syns: Syns) -> FigureRows:
    """Yield how soon ports were used again, and how many mines were met, compared with ports drawn at random."""
    attempts = storm.attempts
    distances = reuse_distances(attempts)
    met = np.flatnonzero(syns.met_mine)
    yield "different ports used", len(np.unique(attempts["local_port"])), f"of {storm.act.ports:,}"
    yield "odd ports among them", int((attempts["local_port"] % 2).sum()), "attempts"
    yield "port used again, earliest", int(distances.min()) if len(distances) else None, "attempts later"
    yield "port used again, median", float(np.median(distances)) if len(distances) else None, "attempts later"
    yield "first mine met", int(met[0]) + 1 if len(met) else None, "th attempt"
    yield "mines met", len(met), f"of {len(storm.mines):,}"
    expected = expected_hits(len(attempts), len(storm.mines), storm.act.ports)
    yield "mines met if ports were drawn at random", round(expected, 1), f"of {len(storm.mines):,}"


def keepalive_figures(storm: Storm, _: npt.NDArray[np.uint8], syns: Syns) -> FigureRows:
    """Yield how many mines were left for the storm."""
    yield "mines when the storm began", len(storm.mines), f"of {storm.act.mines_laid:,} laid"
    yield "attempts that met one", int(syns.met_mine.sum()), f"of {len(storm.attempts):,}"


FIGURES: dict[str, Callable[[Storm, npt.NDArray[np.uint8], Syns], FigureRows]] = {
    "fin-wait-2": fin_wait_2_figures,
    "port-exhaustion": port_exhaustion_figures,
    "port-cost": port_cost_figures,
    "port-choice": port_choice_figures,
    "keepalive-cure": keepalive_figures,
    "syn-rate-limit": rate_limit_figures,
    "syn-queue": syn_queue_figures,
    "reuseport-stuck": reuseport_figures,
    "listener-reload": reload_figures,
    "snat-race": snat_race_figures,
    "time-wait-nat": time_wait_figures,
}


def scenario_verdict(storms: list[Storm], syns: list[Syns]) -> str | None:
    """Return the answer to the question that a run's scenario asks; None for a scenario that asks none."""
    if of_all_acts := VERDICTS_OF_ALL_ACTS.get(storms[0].act.plan.scenario):
        return of_all_acts(storms)
    answer = VERDICTS.get(storms[0].act.plan.scenario)
    return answer(storms[0], syns[0]) if answer else None


def translator_verdict(storm: Storm, _: Syns) -> str:
    """Say whether connect() takes over a port in FIN_WAIT_2."""
    taken = storm.act.counters.get("TWRecycled", 0)
    ports = len(storm.mines)
    if not ports:
        return "Inconclusive: no port was in FIN_WAIT_2."
    if taken:
        return (
            f"This kernel takes over ports in FIN_WAIT_2 (TWRecycled = {taken:,} for {ports:,} ports), as kernels "
            "before Linux 6.12, and before their stable releases of October 2024, do with tcp_tw_reuse."
        )
    return (
        f"This kernel never takes over a port in FIN_WAIT_2 (TWRecycled = 0 for {ports:,} ports), as Linux 6.12 and "
        "later, and stable releases since October 2024."
    )


def conntrack_invalid_verdict(storm: Storm, syns: Syns) -> str:
    """Say whether conntrack takes the RST that answers a challenge ACK for invalid."""
    met, left = int(syns.met_mine.sum()), int(syns.mine_left.sum())
    dropped = storm.act.dropped.get(Drop.INVALID, 0)
    if not met or storm.act.plan.isn is not Isn.RANDOM or storm.act.plan.drop is not Drop.INVALID:
        return "Inconclusive: no SYN met a mine behind the rule."
    if left or dropped:
        return (
            f"Fail: conntrack called {dropped:,} packets INVALID, and {left:,} of {met:,} mines survived their "
            "collision; see commit c410cb974f2b (Linux 6.2), or set nf_conntrack_tcp_be_liberal=1."
        )
    return f"Pass: the rule dropped nothing, and each of {met:,} collisions cleared its mine."


VERDICTS: dict[str, Callable[[Storm, Syns], str]] = {
    "translator": translator_verdict,
    "conntrack-invalid": conntrack_invalid_verdict,
    "syn-rate-limit": rate_limit_verdict,
    "snat-race": snat_race_verdict,
    "time-wait-nat": time_wait_verdict,
}
VERDICTS_OF_ALL_ACTS: dict[str, Callable[[list[Storm]], str]] = {
    "syn-queue": syn_queue_verdict,
    "reuseport-stuck": reuseport_verdict,
    "listener-reload": reload_verdict,
}
