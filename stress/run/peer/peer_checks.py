# SPDX-License-Identifier: MIT
"""What a checkup of two hosts says: a line for each point, with what to do."""

from collections.abc import Iterator

from stress.lab.doctor import Check
from stress.model.host import Host
from stress.model.peer import ServeLimits, Transport
from stress.model.text import rate_text
from stress.model.units import MILLION, SECOND_NS, duration_text, kernel_text
from stress.run.peer.checkup import Checkup
from stress.storm.peer.probe_checks import probe_checks

CLOCK_GOOD_NS = 5 * MILLION
SHOWN = {Transport.SSH: "ssh", Transport.TLS: "TLS"}


def peer_checks(checkup: Checkup) -> Iterator[Check]:
    """Yield what is known of two hosts and of the way between them, the most important first."""
    where = f"{checkup.peer}, {checkup.address}" if checkup.address not in ("", checkup.peer) else checkup.peer
    yield Check("control channel", f"{SHOWN[checkup.transport]} to {where}", "")
    yield check_versions(checkup)
    yield Check("kernels", kernels_text(checkup.host, checkup.there.host), "")
    yield Check("round trip", f"{duration_text(2 * checkup.clock.error_ns)}, of the control channel", "")
    yield check_clocks(checkup)
    yield Check("limits there", limits_text(checkup.there.limits), "")
    yield check_changes(checkup)
    yield check_privilege(checkup, "packets", "packet sockets", "CAP_NET_RAW counts what is lost between the hosts")
    yield check_privilege(checkup, "kernel_word", "kernel's word", "root of a host hears why its kernel drops packets")
    if checkup.probe is None:
        yield Check("consent", "refused", checkup.refusal)
        return
    yield Check("consent", f"given for {checkup.probe.target}", "")
    yield from probe_checks(checkup.probe)


def check_versions(checkup: Checkup) -> Check:
    """Tell whether both ends run the same program; the number of the protocol is the same, or there is no checkup."""
    here, there = checkup.program, checkup.program_there
    if here == there:
        return Check("program", f"{here} at both ends", "")
    return Check("program", f"{here} here, {there} there", "they understand each other; compare runs of one version")


def check_clocks(checkup: Checkup) -> Check:
    """Tell how far apart the clocks are, and how well that is known."""
    clock = checkup.clock
    apart_ns = abs(clock.offset_ns)
    apart = f"{apart_ns / SECOND_NS:,.6f} s" if apart_ns >= SECOND_NS else duration_text(apart_ns)
    vague = "events of the two hosts within that time cannot be put into order"
    return Check(
        "clock there",
        f"{apart} {'behind' if clock.offset_ns < 0 else 'ahead'} ± {duration_text(clock.error_ns)}",
        "" if clock.error_ns <= CLOCK_GOOD_NS else vague,
    )


def limits_text(limits: ServeLimits) -> str:
    """Return what a host permits."""
    low, high = limits.ports
    parts = [f"{rate_text(limits.max_rate_per_s)}/s for {limits.max_seconds:g} s", f"ports {low}–{high}"]
    if limits.addresses:
        parts.append(f"to {', '.join(limits.addresses)}")
    if limits.sources:
        parts.append(f"from {', '.join(limits.sources)}")
    return ", ".join(parts)


def check_changes(checkup: Checkup) -> Check:
    """Tell whether settings, rules and routes of the other host may be changed, and can be."""
    name, privileges = "settings there", checkup.there.privileges
    if not checkup.there.limits.change:
        return Check(name, "may not be changed", "")
    if privileges.changes:
        return Check(name, f"cannot be changed: {privileges.changes}", "log in as root there, for --set-host")
    return Check(name, "may be changed, with --set-host", "")


def check_privilege(checkup: Checkup, field: str, name: str, advice: str) -> Check:
    """Tell which of the two ends has a privilege; ``advice`` is what it is good for."""
    refusals = {"here": getattr(checkup.privileges, field), "there": getattr(checkup.there.privileges, field)}
    refused = [where for where, refusal in refusals.items() if refusal]
    return Check(name, f"not {' and not '.join(refused)}", advice) if refused else Check(name, "at both ends", "")


def kernels_text(here: Host, there: Host) -> str:
    """Return the kernels of both hosts."""
    if (here.kernel, here.jiffy_ns) == (there.kernel, there.jiffy_ns):
        return f"{kernel_text(here.kernel, here.jiffy_ns)} at both ends"
    if here.jiffy_ns == there.jiffy_ns:
        return f"Linux {here.kernel} here, {there.kernel} there"
    return f"{kernel_text(here.kernel, here.jiffy_ns)} here, {kernel_text(there.kernel, there.jiffy_ns)} there"
