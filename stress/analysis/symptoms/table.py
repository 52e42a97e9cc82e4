# SPDX-License-Identifier: MIT
"""The table of symptoms: every symptom with all explanations, in a fixed order.

A scenario shows at least one of them or is one of ``NOTHING_TO_SEE``; a cause belongs to at least one
(``tests/test_house.py``).
"""

from collections.abc import Iterable

from stress.analysis.symptoms import black_holes, hosts, losses, old_sockets, ports, queues, refusals, routers
from stress.analysis.symptoms.seen import SYMPTOMS
from stress.model.symptom import Explanation, Setting, Symptom, Version

EXPLANATIONS: tuple[Explanation, ...] = (
    *old_sockets.EXPLANATIONS,
    *queues.EXPLANATIONS,
    *losses.EXPLANATIONS,
    *routers.EXPLANATIONS,
    *black_holes.EXPLANATIONS,
    *refusals.EXPLANATIONS,
    *hosts.EXPLANATIONS,
    *ports.EXPLANATIONS,
)
NOTHING_TO_SEE = frozenset({"clean"})  # scenarios in which nothing is wrong
NOTHING = "connects at once, no error"


def explanations_of(symptom: Symptom) -> list[Explanation]:
    """Return what may be behind a symptom."""
    return [one for one in EXPLANATIONS if any(sight.symptom == symptom for sight in one.sights)]


def symptoms_of(scenario: str, kernel: Version) -> list[Symptom]:
    """Return what a person sees of a scenario on a kernel version, the most typical first.

    Where several explanations name a scenario, those that name it earlier come first.
    """
    shown = [one for one in EXPLANATIONS if scenario in one.scenarios]
    shown.sort(key=lambda one: one.scenarios.index(scenario))
    sights = [sight for one in shown for sight in one.sights if sight.is_on(kernel)]
    return list(dict.fromkeys(sight.symptom for sight in sights))


def group_scenarios(scenarios: Iterable[str], kernel: Version) -> dict[str, list[str]]:
    """Return the names of scenarios by what a person sees first of them on a kernel version, in the table's order."""
    groups: dict[str, list[str]] = {symptom.title: [] for symptom in SYMPTOMS}
    for scenario in scenarios:
        symptoms = symptoms_of(scenario, kernel)
        groups.setdefault(symptoms[0].title if symptoms else NOTHING, []).append(scenario)
    return {title: names for title, names in groups.items() if names}


def settings_used() -> list[Setting]:
    """Return the settings on which something depends."""
    return [sight.setting for one in EXPLANATIONS for sight in one.sights if sight.setting]
