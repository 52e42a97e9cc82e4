# SPDX-License-Identifier: MIT
"""The addresses of a host name by /etc/hosts alone: asking a name server would send packets to it.

getaddrinfo() would ask, by nsswitch.conf(5), and so would anything that calls it.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from stress.model.errors import UsageError

Address = IPv4Address | IPv6Address
HOSTS = Path("/etc/hosts")
NAMED = "/run/netns/"  # where ip netns has its namespaces; it gives programs the files of /etc/netns/NAME (ip-netns(8))
LOCALHOST: tuple[Address, Address] = (
    IPv4Address("127.0.0.1"),
    IPv6Address("::1"),
)  # RFC 6761 section 6.3: whatever any file says
EVERYWHERE: dict[str, Address] = {"": LOCALHOST[0], "0.0.0.0": LOCALHOST[0], "::": LOCALHOST[1]}  # noqa: S104  # reached by the loopback


def find_hosts_file(network: str | None = None) -> Path:
    """Return the file of host names of a network namespace: a container's own, that of ``ip netns``, or the caller's.

    Args:
        network: as ``network_namespace.enter`` takes it; None is where the caller is.
    """
    if network is None:
        return HOSTS
    process = network.removeprefix("/proc/").partition("/")[0]
    own = Path(f"/proc/{process}/root/etc/hosts") if process.isdecimal() else HOSTS
    if network.startswith(NAMED):
        own = Path("/etc/netns", network.removeprefix(NAMED), "hosts")
    return own if own.is_file() else HOSTS


def find_addresses(host: str, hosts: Path = HOSTS) -> list[Address]:
    """Return the addresses that a host has, in their order; no packet is sent.

    An address stands for itself, an unspecified one for the loopback, and an IPv4 address mapped into IPv6 for that
    IPv4 address, which is what is on the wire.

    Args:
        host: an address, or a name that is in the file of host names.
        hosts: that file.

    Raises:
        UsageError: it is neither, or its address is of one link only.
    """
    if host in EVERYWHERE:
        return [EVERYWHERE[host]]
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return list(LOCALHOST)
    try:
        addresses = [unmapped(ip_address(host))]
    except ValueError:
        addresses = list(dict.fromkeys(unmapped(address) for address in list_addresses(hosts, name)))
    if not addresses:
        raise UsageError(
            f"{host!r} is no IP address and not in {hosts}, and a name server is not asked, for that would send "
            "packets to it; give the address."
        )
    for address in addresses:
        if address.version == 6 and (address.is_link_local or address.scope_id):
            raise UsageError(
                f"{address} belongs to one link only, and a storm cannot name a device; give another address of the "
                "server."
            )
    return addresses


def unmapped(address: Address) -> Address:
    """Return the IPv4 address that is mapped into an IPv6 address (RFC 4291 section 2.5.5.2), or the address itself."""
    return getattr(address, "ipv4_mapped", None) or address


def list_addresses(hosts: Path, name: str) -> Iterator[Address]:
    """Yield the addresses of a name in a file of host names, hosts(5); lines that cannot be read are left out."""
    try:
        lines = hosts.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        address, *names = line.partition("#")[0].split() or [""]
        if name in (other.lower() for other in names):
            try:
                yield ip_address(address)
            except ValueError:
                continue
