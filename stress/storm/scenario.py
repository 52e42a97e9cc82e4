# SPDX-License-Identifier: MIT
"""The scenarios: each a plan that differs from the default one in what makes the case."""

import difflib
from dataclasses import dataclass

from stress.model.errors import UsageError
from stress.model.plan import Close, Drop, Plan, Ports


@dataclass(frozen=True)
class Scenario:
    """A case worth running.

    Attributes:
        summary: what it does, in a line.
        expect: what this looks like from the client.
        plan: its default plan.
    """

    summary: str
    expect: str
    plan: Plan


SCENARIOS: dict[str, Scenario] = {
    scenario.plan.scenario: scenario
    for scenario in (
        Scenario(
            "a storm against a server that closes every connection",
            "no SYN sent again, no error",
            Plan(scenario="clean", ports=Ports.SHUFFLE),
        ),
        Scenario(
            "the same storm over a minefield of leaked CLOSE_WAIT sockets",
            "each mine costs one attempt a retry: after 2 jiffies on Linux 5.6 and later, 1 s before",
            Plan(scenario="closewait", ports=Ports.SHUFFLE, mines=500),
        ),
        Scenario(
            "a minefield on a kernel that answers few SYNs with a challenge ACK",
            "retries on the whole ladder from 2 s up, beside those after 2 jiffies",
            Plan(
                scenario="challenge-limit",
                ports=Ports.SHUFFLE,
                mines=500,
                sysctls={"net.ipv4.tcp_challenge_ack_limit": "100"},
            ),
        ),
        Scenario(
            "a minefield behind a filter that drops the client's RST",
            "ETIMEDOUT on every mined port, each time: the mines survive",
            # FIN close: the filter would drop the RSTs of a reset close too, and leave the server's sockets.
            Plan(
                scenario="rst-dropped",
                ports=Ports.SHUFFLE,
                mines=500,
                drop=Drop.RST,
                close=Close.FIN,
                sysctls={"net.ipv4.tcp_syn_retries": "1", "net.ipv4.tcp_syn_linear_timeouts": "0"},
            ),
        ),
    )
}


def scenario(name: str) -> Scenario:
    """Return a scenario by name.

    Raises:
        UsageError: there is none of that name.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    close = difflib.get_close_matches(name, SCENARIOS, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise UsageError(f"There is no scenario {name!r}; there are {', '.join(SCENARIOS)}.{meant}")
