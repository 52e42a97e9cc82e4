# SPDX-License-Identifier: MIT
"""connstorm serve: the serving side of a storm across a link."""

import sys

import click

from stress.cli.streams import print_text
from stress.cli.verb import Verb
from stress.model.errors import LabError, UsageError
from stress.model.peer import PEER_PORT
from stress.run.peer.serve_file import Given, read_limits

PORT_MAX = 65535


@click.command(cls=Verb)
@click.option("--stdio", is_flag=True, help="serve the client at standard input and output, as ssh starts it")
@click.option("--client", is_flag=True, hidden=True, help="with --stdio: storm as one more client of who started it")
@click.option("--from", "sources", multiple=True, metavar="ADDRESS", help="accept connections from there: 10.0.0.0/24")
@click.option("--address", "addresses", multiple=True, metavar="OWN", help="of this host that may be stormed")
@click.option(
    "--port", type=click.IntRange(1, PORT_MAX), metavar="P", help=f"where to wait for the client; {PEER_PORT}"
)
@click.option("--max-rate", type=float, metavar="N", help="connections a second; 20,000 if nothing else says so")
@click.option(
    "--max-seconds", type=float, metavar="S", help="from the agreement to the end; 60 if nothing else says so"
)
@click.option("--set-host", is_flag=True, help="permit that settings of this host are changed for the storm's time")
def serve(
    sources: tuple[str, ...],
    addresses: tuple[str, ...],
    port: int | None,
    max_rate: float | None,
    max_seconds: float | None,
    *,
    stdio: bool,
    client: bool,
    set_host: bool,
) -> None:
    r"""Let one client on another host storm this one, within limits that are set here.

    It prints a join word, which is good for one client and one minute, and what to type on the other host. With ssh
    nothing has to be started here: connstorm run --peer HOST does it.

    Limits are also read from /etc/connstorm/serve.toml and ~/.config/connstorm/serve.toml; options, and what the
    client asks for, can only narrow them.

    \b
    Examples:
      connstorm serve --from 10.0.0.5
      connstorm serve --from 10.0.0.0/24 --max-rate 5000 --max-seconds 20
      connstorm serve --stdio --max-rate 5000          as the command of a key in authorized_keys
    """
    options = Given(
        sources=[*sources] or None,
        addresses=[*addresses] or None,
        max_rate_per_s=max_rate,
        max_seconds=max_seconds,
        change=set_host or None,
    )
    if client and not stdio:
        raise UsageError("--client storms for a host that has logged in by ssh, and needs --stdio.")
    limits = read_limits(options, is_login=stdio)
    if stdio:
        from stress.run.peer.serving import serve_stdio  # noqa: PLC0415  # numpy comes with it

        if port is not None:
            raise UsageError("With --stdio the client is there already; leave out --port.")
        if sys.stdin.isatty():
            raise UsageError(
                "With --stdio a program speaks, not a person: connstorm run --peer HOST starts it here by ssh; without "
                "that, leave out --stdio and name the other host by --from."
            )
        reason = serve_stdio(limits, as_client=client)
    else:
        from stress.run.peer.serving_invited import serve_invited  # noqa: PLC0415  # as above

        reason = serve_invited(limits, port or PEER_PORT, print_text)
    if reason:
        raise LabError(f"{reason[0].upper()}{reason[1:].removesuffix('.')}.")
    if not stdio:
        click.echo("the client has ended the session")
