# SPDX-License-Identifier: MIT
"""One connection over the loopback before anything else: whether it is possible here, and if not, why."""

import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from stress.lab import census, namespace, sysctl
from stress.model.errors import ConnstormError, LabError, NotApplicableError, UsageError
from stress.model.text import endpoint_text

ANSWER_LIMIT_S = 3.5  # a lost SYN is sent again after 1, 2 and 3 s (by default before Linux 6.5: 1 and 3 s)
ACCEPT_LIMIT_S = 2.5  # a lost ACK is sent again when the SYN-ACK is, after 1 s
IPV6_OFF = "net.ipv6.conf.lo.disable_ipv6"
RESET = struct.pack("ii", 1, 0)  # struct linger: close() sends an RST, and no state is left
NEIGHBOURS = 64  # ports to try below and above the ephemeral ones
UNPRIVILEGED = 1024
RULES = "see nft list ruleset and iptables-save"


@contextmanager
def connect_once(source: str, target: str, port: int) -> Iterator[socket.socket]:
    """Connect from an address to a socket that listens at another; yield the client's end.

    Both ends are reset afterwards, and the client's port is not an ephemeral one, so that a storm meets no trace of
    this connection.

    Args:
        source: the client's address.
        target: the server's address.
        port: the server's port; 0 is any.

    Raises:
        UsageError: nothing can listen there.
        NotApplicableError: the addresses' family is off in this namespace.
        LabError: the connection is refused, or is not made in time.
    """
    with bind_server(target, port) as server, bind_client(source) as client:
        server.listen()
        name = server.getsockname()
        place = endpoint_text(target, name[1])
        try:
            client.settimeout(ANSWER_LIMIT_S)
            client.connect(name)
        except TimeoutError as error:
            # A request that waits for its ACK shows that the SYN arrived.
            lost = "server's SYN-ACK" if has_request(target, name[1]) else "SYN"
            raise explain_silence(place, ANSWER_LIMIT_S, lost) from error
        except OSError as error:
            raise explain_failure(place, error) from error
        try:
            server.settimeout(ACCEPT_LIMIT_S)
            accepted, _ = server.accept()
        except TimeoutError as error:
            raise explain_silence(place, ACCEPT_LIMIT_S, "client's ACK") from error
        with accepted:
            for end in (client, accepted):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            yield client
            client.close()  # first: it sends the RST, and the server's end is gone then


def bind_server(address: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a socket that is bound to an address and a port, and does not listen yet.

    With ``shared`` others of this user may listen there too (SO_REUSEPORT).

    Raises:
        UsageError: the port is in use, or not allowed.
        NotApplicableError: the address's family is off in this namespace.
        LabError: the address does not exist here.
    """
    bound = make_socket(address)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise explain_missing_address(address) from error
        raise UsageError(
            f"The server cannot listen on {address} port {port}: {error.strerror}; choose another with --listen-port."
        ) from error
    return bound


def bind_client(address: str) -> socket.socket:
    """Return a socket that is bound to an address and a port that is not ephemeral, if one of those near is free.

    Raises:
        LabError: the address does not exist here, or no port at all is free.
    """
    bound = make_socket(address)
    failure: OSError | None = None
    for port in quiet_ports():
        try:
            bound.bind((address, port))
        except OSError as error:
            failure = error
            if error.errno == errno.EADDRNOTAVAIL:
                break
        else:
            return bound
    bound.close()
    if failure is not None and failure.errno == errno.EADDRNOTAVAIL:
        raise explain_missing_address(address) from failure
    raise LabError(f"No port of {address} is free for a first connection: {failure and failure.strerror}.") from failure


def quiet_ports() -> Iterator[int]:
    """Yield ports just below and above the ephemeral ones of this namespace, then 0, which is any."""
    low, high = sysctl.read_port_range()
    yield from range(low - 1, max(low - 1 - NEIGHBOURS, UNPRIVILEGED - 1), -1)
    yield from range(high + 1, min(high + 1 + NEIGHBOURS, 1 << 16))
    yield 0


def make_socket(address: str) -> socket.socket:
    """Return a TCP socket for an address.

    Raises:
        NotApplicableError: this kernel does not have the address's family.
    """
    try:
        return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno != errno.EAFNOSUPPORT:
            raise LabError(f"No socket can be made here: {error.strerror}.") from error
        family, other = (6, 4) if ":" in address else (4, 6)
        raise NotApplicableError(f"This kernel has no IPv{family}; use --family {other}.") from error


def explain_missing_address(address: str) -> ConnstormError:
    """Return why an address of the loopback cannot be used in this namespace."""
    if ":" in address and sysctl.read(IPV6_OFF) == "1":
        return NotApplicableError(
            f"IPv6 is off in this network namespace, which has no {address} ({IPV6_OFF} is 1); set it to 0 as root "
            f"(sysctl -w {IPV6_OFF}=0), or use --family 4."
        )
    if not namespace.is_loopback_up():
        return loopback_down(address)
    return LabError(
        f"This network namespace does not have the address {address} (ip address show dev lo); add it as root, choose "
        "another by --source or --listen, or leave out --host."
    )


def explain_failure(place: str, error: OSError) -> LabError:
    """Return why a connection failed that a listening socket did not refuse; ``place`` is the address with the port."""
    if not namespace.is_loopback_up():
        return loopback_down(place)
    name = errno.errorcode.get(error.errno or 0, "an error")
    return LabError(
        f"A connection to {place} fails with {name} ({error.strerror}) although this program listens there: something "
        f"else refuses it, such as a rule of a firewall ({RULES}) or a route (ip route show table all); permit it, "
        "choose another --listen-port, or leave out --host."
    )


def loopback_down(place: str) -> LabError:
    """Return the error that the loopback is down."""
    return LabError(
        f"The loopback of this network namespace is down, so that nothing can connect to {place}; set it up as root "
        "(ip link set lo up), or leave out --host."
    )


def explain_silence(place: str, limit_s: float, lost: str) -> LabError:
    """Return why a connection was not made in time; ``lost`` is the segment that did not arrive."""
    if not namespace.is_loopback_up():  # its routes can outlast it
        return loopback_down(place)
    return LabError(
        f"A first connection to {place}, where this program listens, was not made within {limit_s:g} s: the {lost} did "
        f"not arrive, so a rule of a firewall ({RULES}) or a queue (tc -s qdisc show dev lo) drops it or holds it "
        "back; permit it, choose another --listen-port, or leave out --host."
    )


def has_request(address: str, port: int) -> bool:
    """Return whether a connection to a listening socket waits for the ACK that ends its handshake."""
    return len(census.list_sockets(6 if ":" in address else 4, ["SYN-RECEIVED"], local_port=port)) > 0
