# SPDX-License-Identifier: MIT
"""connstorm scenarios: the catalogue."""

import click

from stress.analysis.attribution.expectation import describe_expectation
from stress.analysis.attribution.ladder import kernel_version
from stress.analysis.symptoms.table import group_scenarios, symptoms_of
from stress.cli.output import console, json_option, print_object
from stress.cli.verb import Verb
from stress.lab import host, sysctl
from stress.storm.catalogue import SCENARIOS
from stress.view.text.catalogue import catalogue_text


@click.command(cls=Verb)
@json_option
def scenarios(*, as_json: bool) -> None:
    """List the scenarios by what a person sees, and what to expect of each on this kernel."""
    facts, sysctls = host.read_host(), sysctl.read_recorded()
    version = kernel_version(facts.kernel)
    groups = group_scenarios(SCENARIOS, version)
    expected = {name: describe_expectation(scenario, facts, sysctls) for name, scenario in SCENARIOS.items()}
    if as_json:
        group_of = {name: title for title, names in groups.items() for name in names}
        listing = {
            name: {
                "summary": scenario.summary,
                "expect": expected[name],
                "group": group_of[name],
                "symptoms": [symptom.name for symptom in symptoms_of(name, version)],
                "causes": sorted(scenario.causes),
                "plan": scenario.plan,
            }
            for name, scenario in SCENARIOS.items()
        }
        print_object(listing)
    else:
        entries = {
            title: [(name, SCENARIOS[name].summary, expected[name]) for name in names]
            for title, names in groups.items()
        }
        console().print(catalogue_text(entries))
