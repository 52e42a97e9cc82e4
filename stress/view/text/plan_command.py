# SPDX-License-Identifier: MIT
"""The command line that makes a plan again, and the fields that no option sets."""

import shlex
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import msgspec

from stress.model.plan import CAPTURE_SCENARIO, Plan
from stress.model.text import endpoint_text
from stress.storm.catalogue import SCENARIOS

PROGRAM = "connstorm"
# Fields whose option has another name, or none; of all others the option is the field's name with dashes.
NAMES = {
    "duration_s": "--duration",
    "rate_per_s": "--rate",
    "rest_s": "--rest",
    "linger2_s": "--linger2",
    "stuck_until_s": "--stuck-until",
    "keepalive_s": "--keepalive",
    "deadline_s": "--deadline",
    "target": "--listen",
}
PLAIN = (
    *("attempts", "sweeps", "duration_s", "warmup", "mines", "release", "rest_s", "ports", "close", "linger2_s"),
    *("protocol", "serve", "listeners", "stuck", "stuck_until_s", "backlog", "server_nofile", "keepalive_s", "drop"),
    *("firewall", "rate_per_s", "window", "deadline_s", "seed", "target", "workers", "servers", "evidence"),
)
FLAGS = ("use", "capture")
TOGETHER = ("sources", "target_ports", "sysctls", "acts", "pin", "port_range", "source", "target_port")
SETTLED = ("scenario", "family", "host", "world")  # by the scenario, or by what the base was changed to
AGAINST = (  # of a storm against the server of others
    *("attempts", "duration_s", "rate_per_s", "deadline_s", "ports", "close", "window", "warmup", "seed"),
    *("workers", "evidence"),
)


def run_command(plan: Plan) -> tuple[str, list[str]]:
    """Return the command line that runs a plan again, and the names of fields that it cannot say.

    Args:
        plan: of a whole run.

    Returns:
        The command, ``""`` where there is none: of a capture; and the fields.
    """
    if plan.scenario == CAPTURE_SCENARIO:
        return "", []
    if plan.is_external:
        return shlex.join(external_words(plan)), []
    base = SCENARIOS[plan.scenario].plan if plan.scenario in SCENARIOS else None
    if base is None:
        return "", ["scenario"]
    words = [PROGRAM, "run", plan.scenario]
    if plan.peers:
        words += [word for name in plan.peers for word in ("--peer", name)]
        return shlex.join([*words, *plain_words(base, plan, PLAIN[:3])]), ["what the hosts agreed on"]
    if plan.family != base.family:
        words += ["--family", str(plan.family)]
        base = base.with_family(plan.family)
    if plan.host and not base.host:
        words.append("--host")
        base = base.on_host()
    words += plain_words(base, plan, PLAIN)
    words += [f"--{name}" for name in FLAGS if getattr(plan, name) and not getattr(base, name)]
    words += list(special_words(base, plan))
    return shlex.join(words), list(unsaid_fields(base, plan))


def plain_words(base: Plan, plan: Plan, fields: tuple[str, ...]) -> list[str]:
    """Return the options of fields that differ and have a value."""
    changed = [(name, getattr(plan, name)) for name in fields if getattr(plan, name) != getattr(base, name)]
    return [word for name, value in changed if value is not None for word in (option_name(name), value_text(value))]


def option_name(field: str) -> str:
    """Return the option of a field."""
    return NAMES.get(field, f"--{field.replace('_', '-')}")


def value_text(value: Any) -> str:
    """Return a value as it is typed: ``2000``, not ``2000.0``."""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)


def special_words(base: Plan, plan: Plan) -> Iterator[str]:
    """Yield the options that stand for several fields, or for the parts of one."""
    for name, value in plan.sysctls.items():
        if base.sysctls.get(name) != value:
            yield from ("--set", f"{name}={value}")
    if plan.port_range is not None and plan.port_range != base.port_range:
        yield from ("--port-range", "{}-{}".format(*plan.port_range))
    if (plan.source, plan.sources) != (base.source, base.sources):
        end = ip_address(plan.source) + plan.sources - 1
        yield from ("--source", plan.source if plan.sources == 1 else f"{plan.source}-{end}")
    if (plan.target_port, plan.target_ports) != (base.target_port, base.target_ports):
        first, last = plan.server_ports[0], plan.server_ports[-1]
        yield from ("--listen-port", str(first) if first == last else f"{first}-{last}")
    if plan.pin != base.pin:
        yield "--pin" if plan.pin else "--no-pin"
    if list(plan.acts) != list(base.acts):
        yield from (word for name in plan.acts for word in ("--act", name))


def unsaid_fields(base: Plan, plan: Plan) -> Iterator[str]:
    """Yield the fields that differ and that no option can set so."""
    said = {*PLAIN, *FLAGS, *TOGETHER, *SETTLED}
    for name in Plan.__struct_fields__:
        ours, usual = getattr(plan, name), getattr(base, name)
        if ours != usual and (name not in said or (name in PLAIN and ours is None) or (name in FLAGS and not ours)):
            yield name
    if any(name not in plan.sysctls for name in base.sysctls):
        yield "sysctls"
    if any(changes != base.acts.get(name) for name, changes in plan.acts.items()):
        yield "acts"
    if plan.world != base.world:
        yield "world"


def external_words(plan: Plan) -> list[str]:
    """Return the command of a storm against the server of others."""
    words = [PROGRAM, "run", "clean", "--against", endpoint_text(plan.target, plan.target_port)]
    usual = msgspec.structs.replace(Plan(scenario=plan.scenario), seed=0)
    words += plain_words(usual, plan, AGAINST)
    return words if plan.until_slow is None else [*words, "--until-slow", str(plan.until_slow)]
