# SPDX-License-Identifier: MIT
"""Options: SYNs that a router drops because of what they carry."""

from stress.model.outcome import Cause
from stress.model.plan import Plan, Ports
from stress.model.protocol import Protocol
from stress.model.world import ROUTER, Hook, Segment
from stress.storm.scenario import ALL, SHORT_LADDER, Scenario
from stress.storm.scenarios.losses import ROUTED, drop_by_rule

MPTCP_SYNS = "tcp dport {port} tcp option mptcp exists"
FAST_OPEN_SYNS = "tcp dport {port} tcp option fastopen exists"
# SYNs at 0 to 5 s: MP_CAPABLE is left out after the third.
SIX_SYNS = {"net.ipv4.tcp_syn_retries": "2", "net.ipv4.tcp_syn_linear_timeouts": "4"}

SCENARIOS = (
    Scenario(
        "MPTCP sockets, and a router that drops SYNs with MP_CAPABLE; then the same once more, and plain TCP",
        {
            ALL: "ETIMEDOUT after {give_up}: the option is never left out; at once with plain TCP",
            (6, 12): "{third} and three resends, always; at once in the hour after that, and with plain TCP",
        },
        frozenset({Cause.MPTCP_DROPPED}),
        Plan(
            scenario="mptcp",
            ports=Ports.SHUFFLE,
            attempts=200,
            rate_per_s=100,
            sysctls=SIX_SYNS,
            **(ROUTED | {"world": drop_by_rule(Hook.FORWARD, ROUTER, Segment.SYN, MPTCP_SYNS)}),
            acts={
                "MPTCP": {"protocol": Protocol.MPTCP.value},
                "MPTCP, again": {"protocol": Protocol.MPTCP.value, "fresh": False},
                "TCP": {"protocol": Protocol.TCP.value},
            },
        ),
        waits_for_give_up=True,
    ),
    Scenario(
        "sockets that ask for TCP Fast Open, and a router that drops SYNs which do",
        {ALL: "{first} and one resend, always; at once without Fast Open"},
        frozenset({Cause.TFO_DROPPED}),
        Plan(
            scenario="tfo",
            ports=Ports.SHUFFLE,
            attempts=200,
            rate_per_s=100,
            sysctls=SHORT_LADDER | {"net.ipv4.tcp_fastopen": "1"},
            **(ROUTED | {"world": drop_by_rule(Hook.FORWARD, ROUTER, Segment.SYN, FAST_OPEN_SYNS)}),
            acts={
                "Fast Open": {"protocol": Protocol.TFO.value},
                "no Fast Open": {"protocol": Protocol.TCP.value},
            },
        ),
    ),
)
