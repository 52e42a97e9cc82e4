# SPDX-License-Identifier: MIT
"""The options that every scenario understands, and the plan that they make."""

from collections.abc import Callable
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, TypeVar

import click
import msgspec

from stress.cli.completion import complete_act, complete_setting
from stress.cli.counts import COUNT
from stress.lab.sysctl_name import complete_sysctl
from stress.model.acts import act_fault, choose_acts
from stress.model.errors import UsageError
from stress.model.mine import Release
from stress.model.plan import Close, EvidenceSource, Plan, Ports, Serve
from stress.model.protocol import Protocol
from stress.model.world import Drop, Firewall
from stress.run import against

PORT_DIGITS_MAX = 9  # of longer numbers Python makes no int at all
FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"

Command = TypeVar("Command", bound=Callable[..., Any])


class SysctlSetting(click.ParamType[tuple[str, str]]):
    """NAME=VALUE, a pair; the name may be short, and is returned whole."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the first equals sign."""
        name, equals, setting = str(value).partition("=")
        if not (name and equals and setting):
            self.fail(f"{value!r} is not of the form tcp_syn_retries=2", param, ctx)
        return complete_sysctl(name), setting


def value_is_port(text: str) -> bool:
    """Return whether a text is written as a port is: ``'²'`` is a digit too, to Unicode."""
    return text.isascii() and text.isdecimal() and len(text) <= PORT_DIGITS_MAX


class PortRangeOption(click.ParamType[tuple[int, int]]):
    """LOW-HIGH, a pair of ports."""

    name = "low-high"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Split at the dash."""
        if isinstance(value, tuple):
            return value
        low, _, high = str(value).partition("-")
        if not (value_is_port(low) and value_is_port(high)):
            self.fail(f"{value!r} is not of the form 40000-40999", param, ctx)
        return int(low), int(high)


class RangeOption(click.ParamType[tuple[str, str]]):
    """FIRST or FIRST-LAST, a pair; what it is a range of is for the plan to say."""

    name = "first-last"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the dash."""
        if isinstance(value, tuple):
            return value
        first, dash, last = str(value).partition("-")
        if not first or (dash and not last):
            self.fail(f"{value!r} is not of the form FIRST or FIRST-LAST", param, ctx)
        return first, last or first


def choice(kind: type[StrEnum]) -> click.Choice[str]:
    """Return the click type of an enumeration."""
    return click.Choice([value.value for value in kind])


def refuse_old_name(_: click.Context, option: click.Parameter, value: Any) -> None:
    """Raise UsageError where an option is given by its old name, which sounded as if it were about any server."""
    if value is not None:
        old = option.opts[0]
        raise UsageError(
            f"{old} is called {old.replace('target', 'listen')} now: where connstorm's own server listens; for a "
            "server that is there already use --against HOST:PORT."
        )


OPTIONS = (
    click.option("--attempts", type=COUNT, help="connect() calls; by default every port of the range once"),
    click.option("--sweeps", type=COUNT, help="passes over the port range, with --ports sweep or shuffle"),
    click.option("--duration", "duration_s", type=float, metavar="S", help="start no attempt later than this"),
    click.option("--warmup", type=COUNT, help="how many first attempts to mark as warm-up"),
    click.option("--mines", type=COUNT, help="CLOSE_WAIT sockets to lay before the storm"),
    click.option(
        "--release",
        type=choice(Release),
        help="how the mines' client ports get out of FIN_WAIT_2",
    ),
    click.option("--rest", "rest_s", type=float, metavar="S", help="pause between the minefield and the storm"),
    click.option("--ports", type=choice(Ports), help="where source ports come from"),
    click.option("--close", type=choice(Close), help="how a connected socket is ended"),
    click.option("--linger2", "linger2_s", type=int, metavar="S", help="TCP_LINGER2 of the storm's sockets"),
    click.option("--protocol", type=choice(Protocol), help="what the storm's sockets speak"),
    click.option("--use", is_flag=True, default=None, help="use each connection once: one byte each way, timed apart"),
    click.option("--serve", type=choice(Serve), help="what the server does with connections"),
    click.option("--listeners", type=COUNT, help="sockets that listen on each server port (SO_REUSEPORT)"),
    click.option("--stuck", type=COUNT, help="how many of them nobody accepts from"),
    click.option("--stuck-until", "stuck_until_s", type=float, metavar="S", help="then close these, with their queues"),
    click.option("--backlog", type=COUNT, help="of the server's listen(); by default the longest"),
    click.option("--server-nofile", type=COUNT, help="descriptors that the server's process may have"),
    click.option(
        "--keepalive", "keepalive_s", type=int, metavar="S", help="idle time before the server probes; 0: off"
    ),
    click.option("--drop", type=choice(Drop), help="what a firewall between client and server drops"),
    click.option(
        "--firewall", type=choice(Firewall), help="nftables rules or socket filters; by default what is there"
    ),
    click.option(
        "--rate", "rate_per_s", type=float, metavar="R", help="intended starts a second; by default all it can"
    ),
    click.option("--window", type=COUNT, help="most attempts in flight at a time"),
    click.option(
        "--deadline",
        "deadline_s",
        type=float,
        metavar="S",
        help="give an attempt up after this; by default when the kernel does",
    ),
    click.option("--seed", type=int, help="of the mines' places and of shuffled ports"),
    click.option(
        "--act",
        "act_names",
        multiple=True,
        metavar="NAME",
        shell_complete=complete_act,
        help="this act of the scenario only; repeatable",
    ),
    click.option(
        "--set",
        "sysctls",
        type=SysctlSetting(),
        multiple=True,
        shell_complete=complete_setting,
        help="a setting inside the lab; repeatable",
    ),
    click.option("--port-range", type=PortRangeOption(), help="ephemeral ports inside the lab"),
    click.option("--family", type=click.Choice(["4", "6"]), help="IPv4 or IPv6"),
    click.option("--source", type=RangeOption(), help="source addresses, on this machine's loopback"),
    click.option("--listen", "target", metavar="ADDRESS", help="of connstorm's own server, on this machine's loopback"),
    click.option("--listen-port", "target_port", type=RangeOption(), help="of connstorm's own server"),
    *(
        click.option(old, name, hidden=True, expose_value=False, callback=refuse_old_name)
        for old, name in (("--target", "old_target"), ("--target-port", "old_target_port"))
    ),
    click.option("--workers", type=COUNT, help="processes that storm together"),
    click.option("--servers", type=COUNT, help="processes that accept what the storm connects"),
    click.option("--capture", is_flag=True, default=None, help="keep the packets of the first attempts of each cause"),
    click.option(
        "--evidence",
        type=click.Choice([value.value for value in EvidenceSource if value is not EvidenceSource.PACKETS]),
        help="what proves causes: nothing, counters, or also the kernel's own word, as root of the host",
    ),
    click.option("--fast", is_flag=True, default=None, help="set tcp_fin_timeout to 1 s where it is waited for"),
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
    base = choose_acts(base, changes.pop("act_names", ()))
    settings = dict(changes.pop("sysctls", ()))
    if fault := next(filter(None, (act_fault(base, name) for name in sorted({*changes, *settings}))), None):
        raise UsageError(fault)
    if changes.pop("fast", None):
        if base.release is not Release.FIN_TIMEOUT:
            raise UsageError(
                f"--fast shortens tcp_fin_timeout, and {base.scenario} does not wait for it; leave it out."
            )
        settings = {FIN_TIMEOUT: "1"} | settings
    changes["sysctls"] = base.sysctls | settings
    changes |= space(changes.pop("source", None), changes.pop("target_port", None))
    if family := changes.pop("family", None):
        base = base.with_family(6 if family == "6" else 4)
    if changes.pop("host", None):
        base = base.on_host()
    try:
        return msgspec.convert(msgspec.structs.asdict(base) | changes, Plan)
    except msgspec.ValidationError as error:
        raise UsageError(f"{error}.") from error


def make_against_plan(scenario: str, place: str, given: dict[str, Any]) -> Plan:
    """Return the plan of a storm against a server that is there, with the options that were given.

    Raises:
        UsageError: as ``against_plan``.
    """
    names = {"act_names": "act", "sysctls": "set", "target": "listen", "target_port": "listen-port"}
    fields = {name: value for name, value in given.items() if value is not None and value != () and name != "host"}
    options = {name: names.get(name, name.removesuffix("_s").replace("_", "-")) for name in fields}
    refused = [option for option in options.values() if option in against.REFUSED]
    return against.against_plan(scenario, place, fields, refused)


def space(source: tuple[str, str] | None, target_port: tuple[str, str] | None) -> dict[str, Any]:
    """Return the fields of a plan that ranges of addresses and ports stand for.

    Raises:
        UsageError: a range that is none.
    """
    fields: dict[str, Any] = {}
    if source is not None:
        first, last = source
        try:
            sources = 1 if last == first else int(ip_address(last)) - int(ip_address(first)) + 1
        except ValueError as error:
            raise UsageError(f"--source {first}-{last}: {error}.") from error
        if sources < 1:
            raise UsageError(f"--source {first}-{last} must rise.")
        fields |= {"source": first, "sources": sources}
    if target_port is not None:
        if not all(map(value_is_port, target_port)) or int(target_port[1]) < int(target_port[0]):
            raise UsageError(f"--listen-port {'-'.join(target_port)} is no port, nor two that rise.")
        fields |= {"target_port": int(target_port[0]), "target_ports": int(target_port[1]) - int(target_port[0]) + 1}
    return fields
