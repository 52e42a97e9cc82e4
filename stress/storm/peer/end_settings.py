# SPDX-License-Identifier: MIT
"""Which settings of a plan are of which end of a link."""

from stress.lab import sysctl
from stress.lab.sysctl import PORT_RANGE, RESERVED_PORTS
from stress.model.plan import Plan
from stress.model.world import CLIENT

# They matter to the end that opens connections, or closes them first.
OF_CLIENT = {
    PORT_RANGE,
    RESERVED_PORTS,
    *(f"net.ipv4.tcp_{last}" for last in ("ecn", "ecn_fallback", "fastopen", "fin_timeout", "syn_retries")),
    *(f"net.ipv4.tcp_{last}" for last in ("syn_linear_timeouts", "tw_reuse", "tw_reuse_delay")),
    *(f"net.mptcp.{last}" for last in ("blackhole_timeout", "syn_retrans_before_tcp_fallback")),
}
# To the one that listens, or answers the SYNs on old sockets.
OF_SERVER = {
    "net.core.somaxconn",
    *(f"net.ipv4.tcp_{last}" for last in ("abort_on_overflow", "challenge_ack_limit", "invalid_ratelimit")),
    *(f"net.ipv4.tcp_{last}" for last in ("max_syn_backlog", "migrate_req", "rfc1337", "synack_retries")),
    "net.ipv4.tcp_syncookies",
}


def settings_of(plan: Plan, host: str) -> dict[str, str]:
    """Return the settings that a plan, which has no acts, needs on an end of the link; values by dotted names.

    What is of neither end alone is of both.
    """
    of_other = OF_SERVER if host == CLIENT else OF_CLIENT
    settings = {name: value for name, value in plan.sysctls.items() if name not in of_other}
    if plan.port_range is not None and host == CLIENT:
        settings[PORT_RANGE] = "{} {}".format(*plan.port_range)
    return sysctl.drop_implied(settings | plan.world.sysctls.get(host, {}))
