# SPDX-License-Identifier: MIT
"""How a program that starts ``run-cell`` tells it to reach another host. Imports no numpy."""

from collections.abc import Sequence

from stress.model.errors import UsageError
from stress.run.peer.join_word import parse_word
from stress.run.ssh_destination import destination

JOIN_VARIABLE = "CONNSTORM_JOIN"  # holds the join word: arguments of programs are for everybody to read


def peer_options(
    peers: Sequence[str], word: str | None, command: str | None, *, may_change: bool
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the options of ``run-cell`` and the variables of its environment for a storm across a link.

    Args:
        peers: the hosts as the user wrote them.
        word: the join word of TLS; None or empty: by ssh.
        command: what starts connstorm there, for ssh; None: ``connstorm``.
        may_change: whether settings, rules and routes of both hosts may be changed.

    Raises:
        UsageError: a host is not of the form of one, or what was given does not go together.
    """
    if not peers:
        raise UsageError("A storm across a link needs a --peer: the host that is stormed.")
    if len(set(peers)) < len(peers):
        raise UsageError("Name each --peer once.")
    where, *_ = [destination(peer, "--peer") for peer in peers]
    if word and len(peers) > 1:
        raise UsageError("With --join one host serves one client; for several --peer leave it out, and use ssh.")
    options = ("--set-host",) if may_change else ()
    if not word:
        return (*options, "--remote-connstorm", command or "connstorm"), {JOIN_VARIABLE: ""}
    if command is not None:
        raise UsageError("--remote-connstorm is for ssh; leave it out with --join.")
    if "username" in where:
        raise UsageError(f"--peer {peers[0]} names a user, who is for ssh; with --join give HOST or HOST:PORT.")
    return options, {JOIN_VARIABLE: parse_word(word).text}
