# SPDX-License-Identifier: MIT
"""connstorm doctor: can this machine measure, and how fast is it?"""

import os
import sys
from typing import Any

import click
import msgspec

from stress.cli.doctor_scale import PAIRS_MAX, examine_scale
from stress.cli.output import Progress, console, json_option, print_object
from stress.cli.standard_input import STDIN, read_line
from stress.cli.streams import print_text
from stress.cli.verb import Verb
from stress.lab import host_sysctls, namespace
from stress.model.errors import LabError
from stress.run.peer.peer_call import JOIN_VARIABLE, peer_options
from stress.run.process import ONE_THREAD

ROUNDS_MAX = 1000


@click.command(cls=Verb)
@click.option("--speed", is_flag=True, help="measure the engine next to a bare loop, a quarter of a minute")
@click.option("--scale", is_flag=True, help="measure 1, 2, 4 … pairs of client and server on CPUs of their own")
@click.option("--plan", "only_plan", is_flag=True, help="with --scale: print which CPUs these are, measure nothing")
@click.option("--pairs", type=click.IntRange(1, PAIRS_MAX), help="with --scale: the most pairs, whatever they share")
@click.option("--rounds", type=click.IntRange(1, ROUNDS_MAX), help="with --scale: of each step; 10 by default")
@click.option("--strict", is_flag=True, help="fail with 3 where a check says that there is something to do")
@click.option("--restore", is_flag=True, help="restore the host's settings that a killed run left modified, as root")
@click.option(
    "--peer", metavar="[USER@]HOST[:PORT]", help="say whether this host can be stormed, and what lies between"
)
@click.option("--join", "word", metavar="WORD", help="with --peer: as of connstorm run")
@click.option("--remote-connstorm", "command", metavar="COMMAND", help="with --peer: what starts connstorm there")
@click.option("--listen", metavar="ADDRESS", help="with --peer: the address there that is connected to")
@click.option("--listen-port", type=click.IntRange(1, 65535), help="with --peer: the port there that is connected to")
@json_option
def doctor(
    peer: str | None,
    word: str | None,
    command: str | None,
    listen: str | None,
    listen_port: int | None,
    *,
    pairs: int | None,
    rounds: int | None,
    speed: bool,
    scale: bool,
    only_plan: bool,
    strict: bool,
    restore: bool,
    as_json: bool,
) -> None:
    r"""Say what this machine can measure, what is missing, and how to get it.

    With --peer, say whether storms across the link to another host are possible: its versions, clock, limits and
    privileges and, when it agrees, which segments of two connections to one of its ports arrive.

    With --scale, say how the rate of connections grows with the CPUs, what the pairs have to share, and for root, where
    perf is installed, which of the kernel's functions cost more with many pairs than with one: some 20 s a step.

    What a run changes of the host's settings is written down in /var/lib/connstorm meanwhile, or in the folder that
    the environment variable CONNSTORM_STATE names; --restore reads it there.

    \b
    Examples:
      connstorm doctor
      connstorm doctor --strict
      connstorm doctor --speed
      connstorm doctor --scale
      connstorm doctor --scale --plan
      connstorm doctor --restore
      connstorm doctor --peer lab2
    """
    if speed + scale + restore + (peer is not None) > 1:
        raise click.UsageError("Give one of --speed, --scale, --restore and --peer.")
    if strict:
        refuse_strict(scale=scale, restore=restore)
    if not scale and (only_plan, pairs, rounds) != (False, None, None):
        raise click.UsageError("--plan, --pairs and --rounds are of --scale.")
    if peer is not None:
        examine_peer(peer, word, command, listen, listen_port, strict=strict, as_json=as_json)
        return
    if (word, command, listen, listen_port) != (None, None, None, None):
        raise click.UsageError(
            "--join, --remote-connstorm, --listen and --listen-port are for another host: --peer HOST."
        )
    if scale:
        examine_scale(pairs, rounds, only_plan=only_plan, as_json=as_json)
        return
    if restore:
        restore_settings(as_json=as_json)
        return
    check_here(speed=speed, strict=strict, as_json=as_json)


def refuse_strict(*, scale: bool, restore: bool) -> None:
    """Raise UsageError for what has no checks that could fail."""
    if scale:
        raise click.UsageError("--strict is for checks; --scale measures, and knows no threshold.")
    if restore:
        raise click.UsageError("--strict is for checks; --restore fails by itself where it cannot restore.")


def check_here(*, speed: bool, strict: bool, as_json: bool) -> None:
    """Say what this machine can measure, and with ``speed`` how fast it is."""
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
    if strict and any(check.advice for check in findings):
        sys.exit(LabError.exit_code)


def examine_peer(  # how a peer is reached
    peer: str,
    word: str | None,
    command: str | None,
    listen: str | None,
    port: int | None,
    *,
    strict: bool,
    as_json: bool,
) -> None:
    """Say whether this host and another one can storm across the link between them."""
    word = os.environ.pop(JOIN_VARIABLE, None) if word is None else word
    if word == STDIN:
        word = read_line()
    peer_options([peer], word, command, may_change=False)
    from stress.model.peer import Transport  # noqa: PLC0415  # numpy starts threads, which the other checks do not want
    from stress.run.peer import checkup  # noqa: PLC0415
    from stress.run.peer.peer_checks import peer_checks  # noqa: PLC0415
    from stress.run.peer.relay_spec import CONNSTORM, RelaySpec  # noqa: PLC0415
    from stress.view.text.doctor import checkup_table  # noqa: PLC0415

    transport = Transport.TLS if word else Transport.SSH
    spec = RelaySpec(peer=peer, transport=transport, command=command or CONNSTORM, word=word or "")
    known = checkup.examine_peer(spec, listen, port)
    checks = list(peer_checks(known))
    if as_json:
        print_object({"points": msgspec.to_builtins(checks), "peer": msgspec.to_builtins(known)})
    else:
        console().print(checkup_table(checks))
    if strict and any(check.advice for check in checks):
        sys.exit(LabError.exit_code)


def restore_settings(*, as_json: bool) -> None:
    """Restore what a killed run left modified: here, where this process was started, in no namespace of its own."""
    report = host_sysctls.restore_leftover()
    if as_json:
        print_object(msgspec.to_builtins(report))
    else:
        print_text("\n".join([report.text, *(f"  {setting.outcome}: {setting.text}" for setting in report.settings)]))
    host_sysctls.raise_on_failure(report.settings)
