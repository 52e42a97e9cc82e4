# SPDX-License-Identifier: MIT
"""Mean costs: what a storm costs an attempt, on average over several profiled trials."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import sqrt

from stress.profile.costs import ActCosts, Cost, Price
from stress.profile.sampled_storm import CALLED, SampledStorm


def mean_costs(trials: Sequence[ActCosts]) -> ActCosts:
    """Return the mean of the costs of one storm; samples and attempts are those of all trials."""
    if len(trials) == 1:
        return trials[0]

    def means(pick: Callable[[ActCosts], list[Cost]]) -> list[Cost]:
        by_name: dict[str, list[Cost]] = defaultdict(list)
        for costs in trials:
            for cost in pick(costs):
                by_name[cost.name].append(cost)
        return sorted((mean_cost(own, len(trials)) for own in by_name.values()), key=lambda cost: (-cost.ns, cost.name))

    return replace(
        trials[0],
        attempts=sum(costs.attempts for costs in trials),
        cpus=sorted({cpu for costs in trials for cpu in costs.cpus}),
        measured_ns=sum(costs.measured_ns for costs in trials) / len(trials),
        client=mean_cost([costs.client for costs in trials], len(trials)),
        calls=means(lambda costs: costs.calls),
        here=means(lambda costs: costs.here),
        functions=means(lambda costs: costs.functions),
        server=mean_cost([costs.server for costs in trials], len(trials)),
        server_calls=means(lambda costs: costs.server_calls),
    )


def mean_cost(costs: Iterable[Cost], trials: int) -> Cost:
    """Return the mean of a cost over so many trials, of which those without it have none."""
    own = list(costs)
    return Cost(
        name=own[0].name,
        samples=sum(cost.samples for cost in own),
        own=sum(cost.own for cost in own),
        ns=sum(cost.ns for cost in own) / trials,
        error_ns=sqrt(sum(cost.error_ns**2 for cost in own)) / trials,
        own_ns=sum(cost.own_ns for cost in own) / trials,
    )


def function_costs(storms: Sequence[SampledStorm]) -> list[tuple[str, Cost]]:
    """Return whose each function was, and its mean cost over trials, wherever it was; the most expensive first."""
    by_key: dict[tuple[str, str], list[Cost]] = defaultdict(list)
    for storm in storms:
        samples, own = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for stack, count in storm.stacks.items():
            for name in set(stack[CALLED:]):  # one that calls itself is in a sample once
                samples[stack[0], name] += count
            if stack[CALLED:]:
                own[stack[0], stack[-1]] += count
        for key, count in samples.items():
            by_key[key].append(Price(storm.ns).cost(key[1], count, own[key]))
    means = [(whose, mean_cost(costs, len(storms))) for (whose, _), costs in by_key.items()]
    return sorted(means, key=lambda item: (-item[1].ns, item[1].name, item[0]))
