# SPDX-License-Identifier: MIT
"""The options that every scenario understands, and the plan that they make."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from stress.model.errors import UsageError
from stress.model.plan import Close, Plan, Ports, Release

Command = TypeVar("Command", bound=Callable[..., Any])


class SysctlSetting(click.ParamType[tuple[str, str]]):
    """NAME=VALUE, a pair."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the first equals sign."""
        name, equals, setting = str(value).partition("=")
        if not (name and equals and setting):
            self.fail(f"{value!r} is not of the form net.ipv4.tcp_syn_retries=2", param, ctx)
        return name, setting


class PortRangeOption(click.ParamType[tuple[int, int]]):
    """LOW-HIGH, a pair of ports."""

    name = "low-high"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Split at the dash."""
        if isinstance(value, tuple):
            return value
        low, _, high = str(value).partition("-")
        if not (low.isdigit() and high.isdigit()):
            self.fail(f"{value!r} is not of the form 40000-40999", param, ctx)
        return int(low), int(high)


OPTIONS = (
    click.option("--attempts", type=int, help="connect() calls; by default every port of the range once"),
    click.option("--sweeps", type=int, help="passes over the port range, with --ports sweep or shuffle"),
    click.option("--duration", "duration_s", type=float, metavar="S", help="start no attempt later than this"),
    click.option("--warmup", type=int, help="how many first attempts to mark as warm-up"),
    click.option("--mines", type=int, help="CLOSE_WAIT sockets to lay before the storm"),
    click.option(
        "--release",
        type=click.Choice([each.value for each in Release]),
        help="how the mines' client ports get out of FIN_WAIT_2",
    ),
    click.option("--ports", type=click.Choice([each.value for each in Ports]), help="where source ports come from"),
    click.option("--close", type=click.Choice([each.value for each in Close]), help="how a connected socket is ended"),
    click.option("--window", type=int, help="most attempts in flight at a time"),
    click.option(
        "--deadline",
        "deadline_s",
        type=float,
        metavar="S",
        help="give an attempt up after this; by default when the kernel does",
    ),
    click.option("--seed", type=int, help="of the mines' places and of shuffled ports"),
    click.option("--set", "sysctls", type=SysctlSetting(), multiple=True, help="a setting inside the lab; repeatable"),
    click.option("--port-range", type=PortRangeOption(), help="ephemeral ports inside the lab"),
    click.option("--family", type=click.Choice(["4", "6"]), help="IPv4 or IPv6"),
    click.option("--source", help="source address, on this machine's loopback"),
    click.option("--target", help="server address, on this machine's loopback"),
    click.option("--target-port", type=int, help="server port"),
    click.option("--pin/--no-pin", default=None, help="client and server each on a CPU of its own"),
    click.option(
        "--host",
        is_flag=True,
        default=None,
        help="use this host's own network stack: no setting is changed, everybody's traffic is counted",
    ),
)


def plan_options(command: Command) -> Command:
    """Add the options of a plan to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def make_plan(base: Plan, given: dict[str, Any]) -> Plan:
    """Return a scenario's plan with the options that were given.

    Raises:
        UsageError: an option has a value that no plan can have.
    """
    changes = {name: value for name, value in given.items() if value is not None}
    changes["sysctls"] = base.sysctls | dict(changes.pop("sysctls", ()))
    if "family" in changes:
        changes["family"] = int(changes["family"])
    if changes.get("family") == 6:
        changes = {"source": "::1", "target": "::1"} | changes
    if changes.get("host") and base.mines and "release" not in changes:
        changes["release"] = Release.LINGER2
    try:
        return msgspec.convert(msgspec.structs.asdict(base) | changes, Plan)
    except msgspec.ValidationError as error:
        raise UsageError(f"{error}.") from error
