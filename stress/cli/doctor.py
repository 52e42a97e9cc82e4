# SPDX-License-Identifier: MIT
"""connstorm doctor: can this machine measure, and how fast is it?"""

from typing import Any

import click
import msgspec

from stress.cli.output import Progress, console, json_option, print_object
from stress.lab import namespace
from stress.model.errors import LabError


@click.command()
@click.option("--speed", is_flag=True, help="measure the engine beside a bare loop, a quarter of a minute")
@json_option
def doctor(*, speed: bool, as_json: bool) -> None:
    r"""Say what this machine can measure, what is missing, and how to get it.

    \b
    Examples:
      connstorm doctor
      connstorm doctor --speed
    """
    refused = None
    try:
        namespace.enter()
    except LabError as error:
        refused = str(error)
    # numpy starts threads, and a process with threads cannot enter a namespace: only now.
    from stress.lab.checkup import points  # noqa: PLC0415
    from stress.view.checkup_table import checkup_table, speed_table  # noqa: PLC0415

    found = list(points(refused))
    document: dict[str, Any] = {"points": msgspec.to_builtins(found)}
    if not as_json:
        console().print(checkup_table(found))
    if speed:
        if refused:
            raise LabError(f"The speed is measured in a private namespace only. {refused}")
        from stress.suite.speed import measure  # noqa: PLC0415

        speeds, harness = measure(Progress("doctor", quiet=as_json))
        document |= {"speed": msgspec.to_builtins(speeds), "harness": msgspec.to_builtins(harness)}
        if not as_json:
            console().print(speed_table(speeds, harness))
    if as_json:
        print_object(document)
