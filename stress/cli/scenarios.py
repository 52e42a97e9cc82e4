# SPDX-License-Identifier: MIT
"""connstorm scenarios: the catalogue."""

import click

from stress.cli.output import console, json_option, print_object


@click.command()
@json_option
def scenarios(*, as_json: bool) -> None:
    """List the scenarios and what to expect of each."""
    from stress.storm.scenario import SCENARIOS  # noqa: PLC0415  # numpy is slow to load, and --help needs none
    from stress.view.catalogue import catalogue  # noqa: PLC0415

    if as_json:
        listing = {
            name: {"summary": each.summary, "expect": each.expect, "plan": each.plan}
            for name, each in SCENARIOS.items()
        }
        print_object(listing)
    else:
        console().print(catalogue((name, each.summary, each.expect) for name, each in SCENARIOS.items()))
