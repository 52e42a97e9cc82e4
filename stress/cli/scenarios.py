# SPDX-License-Identifier: MIT
"""connstorm scenarios: the catalogue."""

import click

from stress.analysis.attribution.expectation import describe_expectation
from stress.cli.output import console, json_option, print_object
from stress.lab import host, sysctl
from stress.storm.catalogue import SCENARIOS
from stress.view.text.catalogue import catalogue_text


@click.command()
@json_option
def scenarios(*, as_json: bool) -> None:
    """List the scenarios and what to expect of each on this kernel."""
    facts, sysctls = host.read_host(), sysctl.read_recorded()
    expected = {name: describe_expectation(scenario, facts, sysctls) for name, scenario in SCENARIOS.items()}
    if as_json:
        listing = {
            name: {
                "summary": scenario.summary,
                "expect": expected[name],
                "causes": sorted(scenario.causes),
                "plan": scenario.plan,
            }
            for name, scenario in SCENARIOS.items()
        }
        print_object(listing)
    else:
        console().print(
            catalogue_text((name, scenario.summary, expected[name]) for name, scenario in SCENARIOS.items())
        )
