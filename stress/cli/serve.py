# SPDX-License-Identifier: MIT
"""connstorm serve: the serving side of a storm across a link."""

import click

from stress.model.errors import LabError
from stress.run.peer.serve_file import Given, read_limits


@click.command()
@click.option("--stdio", is_flag=True, help="serve the client at standard input and output, as ssh starts it")
@click.option("--from", "sources", multiple=True, metavar="ADDRESS", help="accept connections from there: 10.0.0.0/24")
@click.option("--address", "addresses", multiple=True, metavar="OWN", help="of this host that may be stormed")
@click.option("--max-rate", type=float, metavar="N", help="connections a second; 20,000 if nothing else says so")
@click.option(
    "--max-seconds", type=float, metavar="S", help="from the agreement to the end; 60 if nothing else says so"
)
@click.option("--set-host", is_flag=True, help="permit that settings of this host are changed for the storm's time")
def serve(
    sources: tuple[str, ...],
    addresses: tuple[str, ...],
    max_rate: float | None,
    max_seconds: float | None,
    *,
    stdio: bool,
    set_host: bool,
) -> None:
    r"""Let one client on another host storm this one, within limits that are set here.

    Limits are also read from /etc/connstorm/serve.toml and ~/.config/connstorm/serve.toml; options, and what the
    client asks for, can only narrow them.

    \b
    Examples:
      connstorm serve --from 10.0.0.5                  prints what to type on 10.0.0.5
      connstorm serve --stdio --max-rate 5000          as the command of a key in authorized_keys
    """
    options = Given(
        sources=[*sources] or None,
        addresses=[*addresses] or None,
        max_rate_per_s=max_rate,
        max_seconds=max_seconds,
        change=set_host or None,
    )
    limits = read_limits(options, is_login=stdio)
    from stress.run.peer.serving import serve_stdio  # noqa: PLC0415  # numpy comes with it

    if reason := serve_stdio(limits):
        raise LabError(f"{reason[0].upper()}{reason[1:]}.")
