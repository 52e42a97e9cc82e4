# SPDX-License-Identifier: MIT
"""What a client may have changed on the serving host: what that host's own catalogue has for the scenario.

No rule, route or set comes from the client: a plan names a scenario, and its world must be one that the scenario has
here. Settings of TCP may be set in addition (``--set``).
"""

from collections.abc import Iterator

from stress.model.errors import UsageError
from stress.model.plan import Plan
from stress.model.world import SERVER, Topology, World
from stress.storm.catalogue import find_scenario
from stress.storm.peer.end_changes import differing_settings
from stress.storm.peer.link_plan import across_link

# Settings whose old value makes everything as before, and which matter to connections alone.
PERMITTED = (
    *("net.core.somaxconn", "net.ipv4.icmp_ratelimit", "net.ipv4.ip_local_", "net.ipv4.tcp_"),
    *("net.ipv6.icmp.ratelimit", "net.mptcp."),
)


def check_changes(plan: Plan, act: str) -> Iterator[str]:
    """Yield what an act of a plan would change on the serving host that its own catalogue does not change.

    Args:
        plan: the whole one, as the client sent it; its acts can be made (``Plan.storms``).
        act: its name.

    Raises:
        NotApplicableError, UsageError: as of ``differing_settings``.
    """
    wanted = plan.storms()[act]
    try:
        own = [World(topology=Topology.PEER)]
        own += [storm.world for storm in across_link(find_scenario(plan.scenario).plan).storms().values()]
    except UsageError as error:
        yield str(error)
        return
    if wanted.world not in own:
        yield (
            f"The rules, routes or settings of the act {act!r} are not those that {plan.scenario} has on the serving "
            "host, which takes no others; use the same version of connstorm on both."
        )
    for name in differing_settings(wanted, SERVER):
        if not name.startswith(PERMITTED):
            yield (
                f"The serving host changes no setting {name} for a client; permitted are those that begin with "
                f"{', '.join(PERMITTED)}."
            )
