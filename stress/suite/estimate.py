# SPDX-License-Identifier: MIT
"""Estimates of how many attempts a trial makes and how long it takes, before any has been run."""

from stress.analysis.attribution.ladder import build_ladder
from stress.lab import sysctl
from stress.lab.host import read_host
from stress.model.host import Host
from stress.model.kernel import HOST
from stress.model.mine import Release
from stress.model.plan import Plan, Serve
from stress.model.suite import Cell, Suite
from stress.model.units import SECOND_NS
from stress.store.suite_folder import Manifest
from stress.storm.catalogue import SCENARIOS
from stress.suite import matrix
from stress.suite.applicability import unsupported_reason
from stress.view.text.suite_plan import Forecast

PROCESS_S = 0.9  # Python, numpy, the namespace, the listener's process, the census
GUEST_S = 30.0  # to boot, and to import what a run needs
ACT_S = 0.3
ATTEMPTS_PER_S = 30_000
MINES_PER_S = 20_000
BYSTANDERS_PER_S = 25_000
FIN_TIMEOUT, PORT_RANGE = "net.ipv4.tcp_fin_timeout", "net.ipv4.ip_local_port_range"
DEFAULT_FIN_TIMEOUT_S = 60.0


def trial_attempts(plan: Plan) -> int:
    """Return the approximate number of attempts of a trial."""
    return sum(act_attempts(act) for act in plan.storms().values())


def act_attempts(act: Plan) -> int:
    """Return the approximate number of attempts of one storm."""
    if act.attempts is not None:
        return act.attempts
    if act.duration_s is not None and act.sweeps is None:
        return int(act.duration_s * (act.rate_per_s or ATTEMPTS_PER_S))
    return (act.sweeps or 1) * port_count(act) * act.addresses


def port_count(act: Plan) -> int:
    """Return the approximate number of ephemeral ports of a storm."""
    text = act.sysctls.get(PORT_RANGE) or sysctl.read(PORT_RANGE) or "32768 60999"
    low, high = act.port_range or tuple(map(int, text.split()))
    return high - low + 1


def trial_seconds(plan: Plan, host: Host) -> float:
    """Return about how many seconds a trial takes on a host."""
    return PROCESS_S + sum(act_seconds(act, host) for act in plan.storms().values())


def act_seconds(act: Plan, host: Host) -> float:
    """Return about how many seconds one storm takes, with the minefield that is laid before it."""
    storming_s = act_attempts(act) / (act.rate_per_s or ATTEMPTS_PER_S)
    if act.duration_s is not None:
        storming_s = min(storming_s, act.duration_s)
    laying_s = act.mines / MINES_PER_S + act.bystanders / BYSTANDERS_PER_S if act.fresh else 0.0
    if act.mines and act.fresh and act.release is Release.FIN_TIMEOUT:
        laying_s += float(act.sysctls.get(FIN_TIMEOUT, DEFAULT_FIN_TIMEOUT_S)) + 1
    scenario = SCENARIOS.get(act.scenario)
    waits = act.serve is Serve.NOBODY or (scenario is not None and scenario.waits_for_give_up)
    given_up_s = build_ladder(host, sysctl.read_recorded() | act.sysctls).give_up_ns / SECOND_NS if waits else 0.0
    if act.deadline_s is not None:
        given_up_s = min(given_up_s, act.deadline_s)
    if scenario is not None:
        given_up_s = max(given_up_s, scenario.waits_s)
    return ACT_S + storming_s + laying_s + act.rest_s + given_up_s


def forecast_cells(file: Manifest) -> list[Forecast]:
    """Return a forecast of one trial of each cell on the first host."""
    ((first, fingerprint), *_) = file.fingerprints.items()
    return [
        Forecast(
            cell,
            trial_attempts(cell.plan),
            cell_seconds(cell, fingerprint.host),
            None if known is None else unsupported_reason(cell, known, host=file.host),
        )
        for cell in file.cells
        for known in [file.fingerprint(cell, first)]
    ]


def expected_seconds(suite: Suite, *, host: bool) -> dict[str, float]:
    """Return for each cell about how many seconds a trial takes on this machine."""
    here = read_host()
    return {cell.name: cell_seconds(cell, here) for cell in matrix.build_cells(suite, host=host)}


def suite_seconds(suite: Suite, *, host: bool) -> float:
    """Return about how many seconds all trials take on this machine, one after the other."""
    seconds = list(expected_seconds(suite, host=host).values())
    return suite.trials * sum(seconds) + (suite.warmup * seconds[0] if seconds else 0.0)


def cell_seconds(cell: Cell, host: Host) -> float:
    """Return about how many seconds a trial of a cell takes; emulation takes longer, by a factor that is not known."""
    boot_s = 0.0 if cell.kernel == HOST else GUEST_S
    return (trial_seconds(cell.plan, host) + boot_s) * (1 + cell.profile)
