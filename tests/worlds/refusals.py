# SPDX-License-Identifier: MIT
"""Worlds where connect() is refused: nobody listens, a firewall rejects, the host has no route."""

import socket
import struct

from worlds.losses import SYN
from worlds.servers import drain, start_server, vanish_after
from worlds.site import FIRST
from worlds.truth import every, late, on_ports, self_connected
from worlds.world import FIXTURE, HERE, HOST, world

ALL_WAYS = (HERE, HOST, FIXTURE)
PORTS = range(FIRST, FIRST + 100)


def other_address(site):
    """Return an address where the client does not go."""
    return "127.0.0.2" if site.family == 4 else "127.0.0.1"


@world("The server listens on another address of the port.")
def other_address_listens(site):
    start_server(site, drain, host=other_address(site))
    site.storm(every("no_listener"))


@world("The server closes its listener in the middle of the storm.")
def listener_vanishes(site):
    start_server(site, lambda sockets: vanish_after(sockets, 40))
    site.storm(late("no_listener"), rate_per_s=200)


@world("The listener vanishes, and its port is one of the client's ten: some attempts connect to themselves.")
def self_connects(site):
    site.ports(10)
    site.port = FIRST + 2
    start_server(site, lambda sockets: vanish_after(sockets, 40))
    site.storm(self_connected("no_listener"), late("no_listener"), attempts=400, rate_per_s=500, ports="kernel")


@world("A firewall rejects the SYNs of half the ports by RST.", ways=ALL_WAYS)
def rejected_by_rst(site):
    site.rules(f"tcp sport {PORTS[0]}-{PORTS[49]} {SYN} reject with tcp reset")
    start_server(site, drain)
    site.storm(on_ports(PORTS[:50], "rejected_by_rst"))


@world("A firewall rejects half the ports by RST, and for the others nobody listens.")
def rejected_and_closed(site):
    site.rules(f"tcp sport {PORTS[0]}-{PORTS[49]} {SYN} reject with tcp reset")
    start_server(site, drain, host=other_address(site))
    site.storm(on_ports(PORTS[:50], "rejected_by_rst"), late("no_listener"))


@world("A firewall rejects the SYNs of half the ports by ICMP, with five codes.", ways=ALL_WAYS)
def rejected_by_icmp(site):
    codes = ("port-unreachable", "admin-prohibited", "host-unreachable", "no-route")
    site.rules(
        *(
            f"tcp sport {PORTS[number * 12]}-{PORTS[number * 12 + 11]} {SYN} reject with icmpx type {code}"
            for number, code in enumerate(codes)
        )
    )
    start_server(site, drain)
    site.storm(on_ports(PORTS[:48], "rejected_by_icmp"))


@world("A firewall rejects the SYNs of 30 ports by RST, of 30 by ICMP, and drops those of 20.")
def rejected_and_dropped(site):
    site.rules(
        f"tcp sport {PORTS[0]}-{PORTS[29]} {SYN} reject with tcp reset",
        f"tcp sport {PORTS[30]}-{PORTS[59]} {SYN} reject with icmpx type port-unreachable",
        f"tcp sport {PORTS[60]}-{PORTS[79]} {SYN} drop",
    )
    start_server(site, drain)
    site.storm(
        on_ports(PORTS[:30], "rejected_by_rst"),
        on_ports(PORTS[30:60], "rejected_by_icmp"),
        on_ports(PORTS[60:80], "lost_on_the_way"),
    )


@world("The client's own OUTPUT chain rejects half the ports by RST.", ways=ALL_WAYS)
def rejected_by_rst_in_output(site):
    site.rules(f"tcp sport {PORTS[0]}-{PORTS[49]} {SYN} reject with tcp reset", hook="output")
    start_server(site, drain)
    site.storm(on_ports(PORTS[:50], "rejected_by_rst", "dropped_by_host", "refused_by_host"))


@world("The client's own OUTPUT chain rejects half the ports by ICMP.", ways=ALL_WAYS)
def rejected_by_icmp_in_output(site):
    site.rules(f"tcp sport {PORTS[0]}-{PORTS[49]} {SYN} reject with icmpx type admin-prohibited", hook="output")
    start_server(site, drain)
    site.storm(on_ports(PORTS[:50], "rejected_by_icmp", "dropped_by_host", "refused_by_host"))


def add_rule(site, rule, selector=""):
    """Add a routing rule before that of local addresses."""
    family = f"ip -{site.family}"
    site.call(f"{family} rule add pref 10 lookup local")
    site.call(f"{family} rule add pref 5 {selector} {rule}")
    site.call(f"{family} rule del pref 0")


@world("There is no route to the server (ENETUNREACH).", ways=(HERE, HOST))
def no_route(site):
    start_server(site, drain)
    site.call(f"ip -{site.family} route flush table local")
    site.storm(every("refused_by_host", "no_source_address"), refusable=True)


@world("A routing rule prohibits the server (EACCES).", ways=(HERE, HOST))
def route_prohibited(site):
    start_server(site, drain)
    add_rule(site, "prohibit")
    site.storm(every("refused_by_host"), refusable=True)


@world("A routing rule makes the server unreachable.", ways=(HERE, HOST))
def route_unreachable(site):
    start_server(site, drain)
    add_rule(site, "unreachable")
    site.storm(every("refused_by_host"), refusable=True)


@world("A routing rule is a black hole (EINVAL).", ways=(HERE, HOST))
def route_blackhole(site):
    start_server(site, drain)
    add_rule(site, "blackhole")
    site.storm(every("refused_by_host"), refusable=True)


@world("lo is down: IPv4 sends SYNs that go nowhere, IPv6 has no address.", ways=(HERE, HOST))
def loopback_down(site):
    start_server(site, drain)
    site.call("ip link set lo down")
    names = ("lost_on_the_way", "dropped_by_host") if site.family == 4 else ("no_source_address", "refused_by_host")
    site.storm(every(*names), refusable=True)


@world("IPv6 is off; the server listens on ::.", families=(6,), ways=(HERE, HOST))
def ipv6_off(site):
    start_server(site, drain, host="::")
    site.set({"net.ipv6.conf.all.disable_ipv6": 1})
    site.storm(every("no_source_address"), refusable=True)


@world("An IPsec policy blocks what goes out (EPERM).", families=(4,), ways=(HERE, HOST))
def ipsec_blocks(site):
    start_server(site, drain)
    site.set({"net.ipv4.conf.lo.disable_xfrm": 0, "net.ipv4.conf.lo.disable_policy": 0})
    site.call("ip xfrm policy add src 127.0.0.1 dst 127.0.0.1 proto tcp dport 5000 dir out action block")
    site.storm(every("refused_by_host"), refusable=True)


@world("The server has no route for its answers.", ways=(HERE, HOST))
def no_route_back(site):
    start_server(site, drain)
    add_rule(site, "unreachable", "ipproto tcp sport 5000")
    site.storm(every("no_route_back"), refusable=True)


@world("The server has no route for its answers to 30 ports, and a firewall drops the SYNs of 20 others.")
def no_route_back_and_drop(site):
    start_server(site, drain)
    add_rule(site, "unreachable", f"ipproto tcp sport 5000 dport {PORTS[0]}-{PORTS[29]}")
    site.rules(f"tcp sport {PORTS[60]}-{PORTS[79]} {SYN} drop")
    site.storm(on_ports(PORTS[:30], "no_route_back"), on_ports(PORTS[60:80], "lost_on_the_way"))


TCP_MD5SIG = 14
MIN_TTL = {4: (socket.IPPROTO_IP, 21, 200), 6: (socket.IPPROTO_IPV6, 73, 200)}


@world("The listener wants packets of at least 200 hops (IP_MINTTL).", fact="a name for what the server's TCP drops")
def too_far(site):
    start_server(site, drain, options=[MIN_TTL[site.family]])
    site.storm(every(), attempts=50)


@world("The listener wants an MD5 signature.", families=(4,), fact="a name for what the server's TCP drops")
def signature_wanted(site):
    address = struct.pack("=HH4s120s", socket.AF_INET, 0, socket.inet_aton("127.0.0.1"), b"")
    key = struct.pack("=128sBBHi80s", address, 0, 0, 3, 0, b"key")
    start_server(site, drain, options=[(socket.IPPROTO_TCP, TCP_MD5SIG, key)])
    site.storm(every(), attempts=50)
