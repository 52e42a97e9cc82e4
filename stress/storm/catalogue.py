# SPDX-License-Identifier: MIT
"""The catalogue: every scenario, as a plan that differs from the default plan in what makes the case."""

from stress.model.errors import UsageError
from stress.model.text import did_you_mean
from stress.storm.scenario import Scenario
from stress.storm.scenarios import (
    collisions,
    conntrack,
    listeners,
    lookalikes,
    losses,
    nat,
    options,
    paths,
    ports,
    queues,
    refusals,
    stale,
)

CATALOGUE: tuple[Scenario, ...] = (
    *collisions.SCENARIOS,
    *stale.SCENARIOS,
    *queues.SCENARIOS,
    *conntrack.SCENARIOS,
    *listeners.SCENARIOS,
    *paths.SCENARIOS,
    *refusals.SCENARIOS,
    *ports.SCENARIOS,
    *lookalikes.SCENARIOS,
    *losses.SCENARIOS,
    *options.SCENARIOS,
    *nat.SCENARIOS,
)

SCENARIOS: dict[str, Scenario] = {scenario.plan.scenario: scenario for scenario in CATALOGUE}


def find_scenario(name: str) -> Scenario:
    """Return a scenario by name.

    Raises:
        UsageError: there is none of that name.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    raise UsageError(f"There is no scenario {name!r}; there are {', '.join(SCENARIOS)}.{did_you_mean(name, SCENARIOS)}")
