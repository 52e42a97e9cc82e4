# SPDX-License-Identifier: MIT
"""What a probe says about the way between two hosts: a line for each kind of segment, with what to do."""

import errno
from collections.abc import Iterator

from stress.lab.doctor import Check
from stress.storm.peer.probe import Probe

SYN = "SYN"
REFUSED, SILENT = errno.errorcode[errno.ECONNREFUSED], errno.errorcode[errno.ETIMEDOUT]


def probe_checks(probe: Probe) -> Iterator[Check]:
    """Yield what is known of the way there and back, in the order in which segments take it."""
    yield check_syn(probe)
    yield check_syn_ack(probe)
    yield check_ends(probe)
    yield check_data(probe)
    yield check_own_rst(probe)
    yield check_their_rst(probe)


def check_syn(probe: Probe) -> Check:
    """Tell whether the SYN arrives."""
    if not probe.error or (probe.error == SILENT and probe.is_half_open):
        return Check(SYN, "arrives", "")
    permit = f"permit TCP to {probe.target}"
    if probe.error != SILENT:
        return Check(SYN, f"is rejected: {probe.error}", f"a firewall or a router answers for that host; {permit}")
    return Check(SYN, *lost_syn(probe, permit))


def lost_syn(probe: Probe, permit: str) -> tuple[str, str]:
    """Return where a SYN that nobody answered got to, and what to do; ``permit`` is a part of that."""
    if probe.others_syns_there or (probe.filtered and not probe.syns_there):
        advice = "addresses are translated on the way, and the serving host accepts the client's own alone"
        return "arrives from another address", f"{advice}; storm from a host behind no NAT"
    if probe.syns_there:
        return "arrives at that host's device", f"a rule of that host drops it (nft list ruleset); {permit} there"
    if probe.syns_there is None:
        advice = "a firewall between drops it, or a rule of that host; CAP_NET_RAW there would tell which"
        return "is not answered", f"{advice}; {permit}"
    return "does not arrive", f"a firewall between drops it; {permit} on the way"


def check_syn_ack(probe: Probe) -> Check:
    """Tell whether the SYN-ACK comes back."""
    name = "SYN-ACK"
    if not probe.error:
        return Check(name, "comes back", "")
    if not probe.is_half_open:
        return Check(name, "not known: none was sent", "")
    if probe.syn_acks_here is None:
        advice = "a firewall between drops it, or a rule of this host; CAP_NET_RAW here would tell which"
        return Check(name, "does not come back", advice)
    if probe.syn_acks_here:
        return Check(name, "comes to this host's device", "a rule of this host drops it (nft list ruleset); permit it")
    advice = "a firewall between drops it, or that host sends it another way (ip route get, there)"
    return Check(name, "does not come back", advice)


def check_ends(probe: Probe) -> Check:
    """Tell whether both ends see the same connection."""
    name = "4-tuple"
    if probe.ends_here is None or probe.ends_there is None:
        return Check(name, "not known: no connection", "")
    here, there = probe.ends_here, (probe.ends_there[1], probe.ends_there[0])
    if here == there:
        return Check(name, "the same at both ends", "")
    return Check(
        name,
        f"{' → '.join(here)} here, {' → '.join(there)} there",
        "addresses are translated on the way: causes that need the sockets of both ends stay unknown",
    )


def check_data(probe: Probe) -> Check:
    """Tell whether segments of the full size pass."""
    name = "path MTU"
    if probe.is_full_size_acked is None or probe.mtu is None:
        return Check(name, "not known: no connection", "")
    if probe.is_full_size_acked:
        return Check(name, f"{probe.mtu:,} bytes, and such segments are acknowledged", "")
    return Check(
        name,
        f"{probe.mtu:,} bytes, but such segments are not acknowledged",
        "a router drops them and says nothing, or its ICMP is dropped; lower the MTU of this host's device",
    )


def check_own_rst(probe: Probe) -> Check:
    """Tell whether an RST of this host arrives."""
    name = "RST to there"
    match probe.is_abort_seen:
        case None:
            return Check(name, "not known: no connection", "")
        case True:
            return Check(name, "arrives", "")
        case False:
            advice = "a firewall drops it: close by FIN (--close fin), or sockets of storms stay there in ESTABLISHED"
            return Check(name, "does not arrive", advice)


def check_their_rst(probe: Probe) -> Check:
    """Tell whether an RST of the serving host comes back."""
    name = "RST to here"
    match probe.closed_error:
        case None:
            return Check(name, "not known: no connection", "")
        case error if error == REFUSED:
            return Check(name, "comes back from a closed port", "")
        case error if error == SILENT:
            advice = "a firewall drops it: what that host refuses will look like lost SYNs here"
            return Check(name, "does not come back from a closed port", advice)
        case "":
            advice = "something between answers for that host (a proxy, SYN cookies of a firewall): storm around it"
            return Check(name, "a closed port is connected", advice)
        case error:
            return Check(name, f"a closed port says {error}", "a firewall answers for that host: permit the port there")
