# SPDX-License-Identifier: MIT
"""What to expect of a scenario on this kernel."""

from stress.analysis.attribution.ladder import build_ladder, kernel_version
from stress.model.host import Host
from stress.model.units import duration_text, range_text
from stress.storm.scenario import Scenario


def describe_expectation(scenario: Scenario, host: Host, sysctls: dict[str, str]) -> str:
    """Return what the client sees in a scenario, with the times of this kernel and the scenario's settings."""
    rungs = build_ladder(host, sysctls | scenario.plan.sysctls)
    labels = [rung.label for rung in rungs.rungs] + ["–"] * 3
    fast = range_text(rungs.fast.from_ns, rungs.fast.to_ns) if rungs.fast else labels[0]
    return scenario.expected(kernel_version(host.kernel)).format(
        fast=fast,
        first=labels[0],
        second=labels[1],
        third=labels[2],
        give_up=duration_text(rungs.give_up_ns),
        challenged_give_up=duration_text(rungs.challenged_give_up_ns or rungs.give_up_ns),
    )
