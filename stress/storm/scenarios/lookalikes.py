# SPDX-License-Identifier: MIT
"""Look-alikes: failures that look as if ports were used up, and a success although nobody listens."""

import msgspec

from stress.lab.sysctl import RESERVED_PORTS
from stress.model.outcome import Cause
from stress.model.plan import Close, Plan, Serve
from stress.model.world import ADDRESSES, CLIENT, SERVER, Topology, World
from stress.storm.scenario import ALL, Scenario

SCENARIOS = (
    Scenario(
        "nobody listens on a port of the client's own range, on its own host",
        {ALL: "ECONNREFUSED, but about one attempt in ten draws the server's port and connects to itself"},
        frozenset({Cause.NO_LISTENER}),
        Plan(
            scenario="self-connect",
            serve=Serve.ABSENT,
            port_range=(4990, 5009),
            attempts=400,
            rate_per_s=400,
            acts={"its port in the range": {}, "its port reserved": {"sysctls": {RESERVED_PORTS: "5000"}}},
        ),
        on_one_host=True,
    ),
    Scenario(
        "a range of 20 ports whose every port is reserved, all but two, and none",
        {ALL: "EADDRNOTAVAIL although no socket has a port; with two left the third connection fails"},
        frozenset({Cause.PORT_RESERVED, Cause.PORT_EXHAUSTED}),
        Plan(
            scenario="reserved-ports",
            port_range=(40000, 40019),
            attempts=20,
            rate_per_s=20,
            close=Close.HOLD,
            acts={
                "all reserved": {"sysctls": {RESERVED_PORTS: "40000-40019"}},
                "two left": {"sysctls": {RESERVED_PORTS: "40002-40019"}},
                "none reserved": {},
            },
        ),
    ),
    Scenario(
        "a client without an address of the server's family: IPv6 is off on its host",
        {ALL: "EADDRNOTAVAIL at once, no port was searched; IPv6 only"},
        frozenset({Cause.NO_SOURCE_ADDRESS}),
        Plan(
            scenario="no-source",
            family=6,
            source=ADDRESSES[6][CLIENT],
            target=ADDRESSES[6][SERVER],
            attempts=100,
            rate_per_s=100,
            world=World(topology=Topology.LINK, sysctls={CLIENT: {"net.ipv6.conf.all.disable_ipv6": "1"}}),
            acts={"no address": {}, "with an address": {"world": msgspec.to_builtins(World(topology=Topology.LINK))}},
        ),
    ),
)
