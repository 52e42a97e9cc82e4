# SPDX-License-Identifier: MIT
"""The options of a storm against a host across a link."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click

from stress.cli.options import make_plan
from stress.cli.standard_input import STDIN, read_line
from stress.cli.streams import print_text
from stress.model.errors import UsageError
from stress.model.plan import Plan
from stress.run.peer.peer_call import JOIN_VARIABLE, peer_options
from stress.run.peer.plan import across_to, left_out_acts, set_addresses

Command = TypeVar("Command", bound=Callable[..., Any])

OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--peer",
        "peers",
        multiple=True,
        metavar="[USER@]HOST[:PORT]",
        help="storm this host across a link, which serves as long as the storm lasts: reached by ssh, whose login is "
        "its consent, or with --join; given again: one more client, which storms the first together with this host",
    ),
    click.option(
        "--join",
        metavar="WORD",
        help="with --peer: by TLS, with the word that connstorm serve printed there; -: read it from standard input",
    ),
    click.option(
        "--remote-connstorm", metavar="COMMAND", help="with --peer: what starts connstorm there (default: connstorm)"
    ),
    click.option(
        "--set-host",
        is_flag=True,
        help="with --peer: change settings, rules and routes of both hosts for the storm, and restore them",
    ),
)


@dataclass(frozen=True)
class PeerChoice:
    """What the user said of the other host.

    Attributes:
        peers: as the user wrote them; empty for a storm on this host alone.
        options: of ``run-cell``.
        variables: of its environment.
    """

    peers: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)


def add_peer_options(command: Command) -> Command:
    """Add the options of a storm across a link to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def take_peer_choice(given: dict[str, Any]) -> PeerChoice:
    """Take the options of a storm across a link out of those that were given.

    Raises:
        UsageError: they do not go together, or a host is not of the form of one.
    """
    peers, word = given.pop("peers"), given.pop("join")
    command, may_change = given.pop("remote_connstorm"), given.pop("set_host")
    if not peers:
        if word is not None or command is not None or may_change:
            raise UsageError("--join, --remote-connstorm and --set-host are for a storm across a link: --peer HOST.")
        return PeerChoice()
    if word == STDIN:
        word = read_line()
    elif word is None:
        word = os.environ.get(JOIN_VARIABLE)
    return PeerChoice(peers, *peer_options(peers, word, command, may_change=may_change))


def make_peer_plan(base: Plan, choice: PeerChoice, given: dict[str, Any]) -> Plan:
    """Return a scenario's plan for a storm against a host across a link, with the options that were given.

    Raises:
        UsageError: what cannot be had across a link, or a value that no plan can have.
    """
    fields = dict(given)
    fields.pop("host")  # it is the only way there
    family, target = fields.pop("family"), fields.pop("target")
    across = across_to(base, *choice.peers)
    if left_out := left_out_acts(base, across):
        print_text(left_out, err=True)
    plan = make_plan(across, fields)
    source = plan.source if fields["source"] else None
    return set_addresses(plan, {"family": int(family) if family else None, "source": source, "target": target})
