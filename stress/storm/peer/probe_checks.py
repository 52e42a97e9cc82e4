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
    if not probe.error or (probe.error == SILENT and probe.is_half_open):
        yield check_syn_ack(probe)
    if probe.ends_here is not None and probe.ends_there is not None:
        yield check_ends(probe.ends_here, (probe.ends_there[1], probe.ends_there[0]))
    if probe.is_full_size_acked is not None and probe.mtu is not None:
        yield check_data(probe.mtu, is_acknowledged=probe.is_full_size_acked)
    if probe.is_abort_seen is not None:
        yield check_own_rst(is_seen=probe.is_abort_seen)
    if probe.closed_error is not None:
        yield check_their_rst(probe.closed_error)


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
    if probe.syn_acks_here is None:
        advice = "a firewall between drops it, or a rule of this host; CAP_NET_RAW here would tell which"
        return Check(name, "does not come back", advice)
    if probe.syn_acks_here:
        return Check(name, "comes to this host's device", "a rule of this host drops it (nft list ruleset); permit it")
    advice = "a firewall between drops it, or that host sends it another way (ip route get, there)"
    return Check(name, "does not come back", advice)


def check_ends(here: tuple[str, str], there: tuple[str, str]) -> Check:
    """Tell whether both ends see the same connection, from the client's end to the other one."""
    if here == there:
        return Check("4-tuple", "the same at both ends", "")
    return Check(
        "4-tuple",
        f"{' → '.join(here)} here, {' → '.join(there)} there",
        "addresses are translated on the way, and a storm needs a way on which none is",
    )


def check_data(mtu: int, *, is_acknowledged: bool) -> Check:
    """Tell whether segments of the full size pass."""
    if is_acknowledged:
        return Check("path MTU", f"{mtu:,} bytes, which pass", "")
    advice = "a router drops them and says nothing, or its ICMP is dropped; lower the MTU of this host's device"
    return Check("path MTU", f"{mtu:,} bytes, which do not pass", advice)


def check_own_rst(*, is_seen: bool) -> Check:
    """Tell whether an RST of this host arrives."""
    if is_seen:
        return Check("RST to there", "arrives", "")
    advice = "a firewall drops it: close by FIN (--close fin), or sockets of storms stay there in ESTABLISHED"
    return Check("RST to there", "does not arrive", advice)


def check_their_rst(error: str) -> Check:
    """Tell whether an RST of the serving host comes back; ``error`` is the errno of a connect() to a closed port."""
    name = "RST to here"
    if error == REFUSED:
        return Check(name, "comes from a closed port", "")
    if error == SILENT:
        advice = "a firewall drops it: what that host refuses will look like lost SYNs here"
        return Check(name, "does not come from a closed port", advice)
    if not error:
        advice = "something between answers for that host (a proxy, SYN cookies of a firewall): storm around it"
        return Check(name, "a closed port is connected", advice)
    return Check(name, f"a closed port says {error}", "a firewall answers for that host: permit the port there")
