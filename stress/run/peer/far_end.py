# SPDX-License-Identifier: MIT
"""The other end of a control channel, reached by ssh or TLS: a stream of bytes, and why it ended."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address

from stress.model.errors import LabError
from stress.model.extra import require_package
from stress.model.peer import PEER_PORT, Transport
from stress.run.peer.join import join_host
from stress.run.peer.join_word import parse_word
from stress.run.peer.relay_spec import RelaySpec
from stress.run.ssh_destination import destination
from stress.storm.peer.channel import Connection, Descriptors, Stream

SSH_REMEDY = "this version of connstorm must be there (--remote-connstorm)"
TLS_REMEDY = "a join word is good for one client and one minute, so run connstorm serve there again"


@dataclass(frozen=True)
class FarEnd:
    """The other end.

    Attributes:
        stream: what carries the bytes.
        address: its IP address; empty where a proxy hides it.
        own_address: that of this host, towards it.
        tell_end: wait until it has ended, so many seconds at most; return how, as a clause.
        remedy: what to do where it ends before it has said anything.
    """

    stream: Stream
    address: str
    own_address: str
    tell_end: Callable[[float], str]
    remedy: str = ""


def reach_far_end(spec: RelaySpec) -> FarEnd:
    """Reach the other end.

    Raises:
        UsageError, LabError: it cannot be reached, or refuses.
    """
    return TRANSPORTS[spec.transport](spec)


def reach_by_ssh(spec: RelaySpec) -> FarEnd:
    """Log in to the other host, and start the serving side there.

    Raises:
        LabError: asyncssh is not installed, or the host cannot be reached, or refuses the login.
    """
    require_package("asyncssh", "fleet", "--peer by ssh", instead="use --join for TLS", kind=LabError)
    with without_compiler():
        from stress.run.ssh_link import LOST, Link, error_text  # noqa: PLC0415  # asyncssh is an extra
    command = f"{spec.command} serve --stdio{' --client' if spec.as_client else ''}"
    link = Link(spec.peer)
    there_reads, writing = os.pipe()
    reading, there_writes = os.pipe()
    try:
        remote = link.start_stream(command, there_reads, there_writes)
    except LOST as error:
        raise LabError(f"{spec.peer} cannot be reached by ssh: {error_text(error)}.") from error

    def tell_end(limit_s: float) -> str:
        try:
            how = remote.exit_text(limit_s)
        except TimeoutError:
            return f"{command!r} closed its output there and did not end within {limit_s:g} s"
        except LOST as error:
            return f"the connection to it was lost: {error_text(error)}"
        return f"{command!r} ended there with {how.rstrip('.')}"

    address, own_address = map(plain_address, link.addresses())
    return FarEnd(Descriptors(reading, writing), address, own_address, tell_end, SSH_REMEDY)


@contextmanager
def without_compiler() -> Iterator[None]:
    """Hide the C compiler from asyncssh while it is imported.

    It looks for libraries that it can do without (ctypes.util.find_library), and those that ldconfig does not list are
    linked on trial, with a file in TMPDIR that a process which is killed then leaves there.
    """
    path = os.environ.pop("PATH", None)
    os.environ["PATH"] = ""
    try:
        yield
    finally:
        os.environ.pop("PATH")
        if path is not None:
            os.environ["PATH"] = path


def reach_by_tls(spec: RelaySpec) -> FarEnd:
    """Join the serving side that printed a word.

    Raises:
        UsageError: the word is none.
        LabError: the other host cannot be reached, is another one, or refuses the word.
    """
    where = destination(spec.peer)
    word = parse_word(spec.word)
    secured = join_host(where["host"], where.get("port", PEER_PORT), word)
    address, own_address = (plain_address(str(name[0])) for name in (secured.getpeername(), secured.getsockname()))
    return FarEnd(Connection(secured), address, own_address, lambda _: "it closed the connection", TLS_REMEDY)


def plain_address(text: str) -> str:
    """Return an IP address, or an empty text where it is none."""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


TRANSPORTS = {Transport.SSH: reach_by_ssh, Transport.TLS: reach_by_tls}
