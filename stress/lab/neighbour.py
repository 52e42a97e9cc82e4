# SPDX-License-Identifier: MIT
"""The neighbour through which packets to a target leave: whether its hardware address is known."""

# States of an entry of the neighbour table (linux/neighbour.h).
STATES = {
    0x01: "INCOMPLETE",
    0x02: "REACHABLE",
    0x04: "STALE",
    0x08: "DELAY",
    0x10: "PROBE",
    0x20: "FAILED",
    0x40: "NOARP",
    0x80: "PERMANENT",
}
UNANSWERED = ("INCOMPLETE", "FAILED")  # nobody has said which hardware address it has


def read_next_hop_state(target: str) -> str | None:
    """Return the state of the next hop towards a target, in this namespace; None without one, as on the loopback."""
    from pyroute2 import IPRoute  # noqa: PLC0415  # 0.3 s, and its threads must not start before unshare()
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    with IPRoute() as netlink:
        try:
            (route,) = netlink.route("get", dst=target)
        except NetlinkError:
            return None
        hop, device = route.get_attr("RTA_GATEWAY") or target, route.get_attr("RTA_OIF")
        for entry in netlink.get_neighbours(family=route["family"]):
            if entry["ifindex"] == device and entry.get_attr("NDA_DST") == hop:
                return STATES.get(entry["state"])
    return None
