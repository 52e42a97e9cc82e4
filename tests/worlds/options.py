# SPDX-License-Identifier: MIT
"""Worlds in which SYNs with MP_CAPABLE or with Fast Open are dropped, and such as look the same from the client."""

from stress.model.protocol import Protocol
from stress.model.world import Topology
from worlds.ecn import drop_first_syns, drop_syns
from worlds.mixtures import SYN, make_plan, mixture
from worlds.truth import late

MP_CAPABLE, FAST_OPEN = ("tcp dport {port} tcp option " + option for option in ("mptcp exists", "fastopen exists"))
SIX_SYNS = {"net.ipv4.tcp_syn_retries": "2", "net.ipv4.tcp_syn_linear_timeouts": "4"}
FEW = {"attempts": 60, "rate_per_s": 40}  # longer than the first timeout


def acts(protocol):
    """Return an act of a protocol, and one of plain TCP."""
    return {name: {"protocol": name} for name in (protocol.value, Protocol.TCP.value)}


@mixture("A router drops SYNs with MP_CAPABLE; an act of plain TCP tells.")
def mptcp_with_control(site):
    plan = make_plan(
        Topology.ROUTER, drop_syns("mptcp", MP_CAPABLE), acts=acts(Protocol.MPTCP), sysctls=SIX_SYNS, **FEW
    )
    site.carry_out(plan, late("mptcp_dropped"))


@mixture("A router drops SYNs with MP_CAPABLE, and one in ten of all others.", families=(4,))
def mptcp_and_loss(site):
    rules = drop_syns("mptcp", MP_CAPABLE), drop_syns("lost", f"{SYN} numgen random mod 10 == 0")
    plan = make_plan(Topology.ROUTER, *rules, acts=acts(Protocol.MPTCP), sysctls=SIX_SYNS, **FEW)
    site.carry_out(plan, late("lost_on_the_way", "mptcp_dropped"))


@mixture("A router drops SYNs with Fast Open; an act without it tells.")
def tfo_with_control(site):
    plan = make_plan(Topology.ROUTER, drop_syns("tfo", FAST_OPEN), acts=acts(Protocol.TFO), **FEW)
    site.carry_out(plan, late("tfo_dropped"))


@mixture("A router drops SYNs with Fast Open, and there is no act without.", families=(4,))
def tfo_without_control(site):
    plan = make_plan(Topology.ROUTER, drop_syns("tfo", FAST_OPEN), protocol=Protocol.TFO, **FEW)
    site.carry_out(plan, late("tfo_dropped", "lost_on_the_way"))


@mixture("A router drops the first SYN of each port, whatever it carries; the client asks for Fast Open in one act.")
def first_syns_with_tfo(site):
    plan = make_plan(Topology.ROUTER, acts=acts(Protocol.TFO), world=drop_first_syns(), **FEW)
    site.carry_out(plan, late("lost_on_the_way"))
