# SPDX-License-Identifier: MIT
"""connstorm scenarios: the catalogue."""

import click
import msgspec

from stress.cli.output import console


@click.command()
@click.option("--json", "as_json", is_flag=True, help="print one JSON object and nothing else")
def scenarios(*, as_json: bool) -> None:
    """List the scenarios and what to expect of each."""
    from stress.storm.scenario import SCENARIOS  # noqa: PLC0415  # numpy is slow to load, and --help needs none
    from stress.view.catalogue import catalogue  # noqa: PLC0415

    if as_json:
        listing = {
            name: {"summary": each.summary, "expect": each.expect, "plan": each.plan}
            for name, each in SCENARIOS.items()
        }
        click.echo(msgspec.json.format(msgspec.json.encode(listing), indent=1))
    else:
        console().print(catalogue((name, each.summary, each.expect) for name, each in SCENARIOS.items()))
