# SPDX-License-Identifier: MIT
"""connstorm scenarios: the catalogue."""

import click

from stress.cli.output import console, json_option, print_object


@click.command()
@json_option
def scenarios(*, as_json: bool) -> None:
    """List the scenarios and what to expect of each on this kernel."""
    from stress.analysis.attribution.expectation import describe_expectation  # noqa: PLC0415  # numpy is slow to load, and --help needs none
    from stress.lab import host, sysctl  # noqa: PLC0415
    from stress.storm.catalogue import SCENARIOS  # noqa: PLC0415
    from stress.view.text.catalogue import catalogue_text  # noqa: PLC0415

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
