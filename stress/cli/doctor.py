# SPDX-License-Identifier: MIT
"""connstorm doctor: can this machine measure, and how fast is it?"""

import os
from typing import Any

import click
import msgspec

from stress.cli.output import Progress, console, json_option, print_object
from stress.lab import host_sysctls, namespace
from stress.model.errors import LabError
from stress.run.process import ONE_THREAD


@click.command()
@click.option("--speed", is_flag=True, help="measure the engine next to a bare loop, a quarter of a minute")
@click.option("--restore", is_flag=True, help="restore the host's settings that a killed run left modified, as root")
@json_option
def doctor(*, speed: bool, restore: bool, as_json: bool) -> None:
    r"""Say what this machine can measure, what is missing, and how to get it.

    What a run changes of the host's settings is written down in /var/lib/connstorm meanwhile, or in the folder that
    the environment variable CONNSTORM_STATE names; --restore reads it there.

    \b
    Examples:
      connstorm doctor
      connstorm doctor --speed
      connstorm doctor --restore
    """
    if restore:
        if speed:
            raise click.UsageError("Give --speed or --restore, not both.")
        restore_settings(as_json=as_json)
        return
    refused = None
    try:
        namespace.enter_namespace()
    except LabError as error:
        refused = str(error)
    os.environ |= ONE_THREAD  # the speed is that of a storm's process
    # numpy starts threads, and a process with threads cannot enter a namespace: only now.
    from stress.lab.doctor import check_machine  # noqa: PLC0415
    from stress.run.speed import measure_speed  # noqa: PLC0415
    from stress.view.text.doctor import checkup_table, speed_table  # noqa: PLC0415

    findings = list(check_machine(refused))
    document: dict[str, Any] = {"points": msgspec.to_builtins(findings)}
    if not as_json:
        console().print(checkup_table(findings))
    if speed:
        if refused:
            raise LabError(f"The speed is measured in a private namespace only. {refused}")
        speeds, harness = measure_speed(Progress("doctor", quiet=as_json))
        document |= {"speed": msgspec.to_builtins(speeds), "harness": msgspec.to_builtins(harness)}
        if not as_json:
            console().print(speed_table(speeds, harness))
    if as_json:
        print_object(document)


def restore_settings(*, as_json: bool) -> None:
    """Restore what a killed run left modified: here, where this process was started, in no namespace of its own."""
    report = host_sysctls.restore_leftover()
    if as_json:
        print_object(msgspec.to_builtins(report))
    else:
        click.echo("\n".join([report.text, *(f"  {setting.outcome}: {setting.text}" for setting in report.settings)]))
    host_sysctls.raise_on_failure(report.settings)
