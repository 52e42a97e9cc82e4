# SPDX-License-Identifier: MIT
"""Checkups of two hosts made by hand: where everything passes, where little does, and where the other host refuses."""

import msgspec

from stress.model.host import Host
from stress.model.peer import ClockOffset, Privileges, ServeLimits, Transport
from stress.run.peer.checkup import Checkup
from stress.storm.peer.answers import Description
from stress.storm.peer.probe import Probe

HERE = Host(
    kernel="6.18.44",
    jiffy_ns=4_000_000,
    cpu="a CPU",
    cpus=8,
    memory_bytes=1 << 34,
    clocksource="tsc",
    python="3.13.1",
    nofile=20_000,
)
THERE = msgspec.structs.replace(HERE, kernel="6.1.0-50-amd64")
EVERYTHING = Privileges(packets="", kernel_word="", changes="")
NOTHING = Privileges(
    packets="no CAP_NET_RAW (Operation not permitted)",
    kernel_word="This process may not load BPF programs; the kernel's word needs CAP_BPF and CAP_PERFMON in the "
    "initial user namespace, which root of the host has",
    changes="no CAP_NET_ADMIN (Operation not permitted)",
)
ENDS = ("10.0.0.5:40000", "10.0.0.7:5000")
FINE = Checkup(
    peer="lab2",
    transport=Transport.SSH,
    address="10.0.0.7",
    program="connstorm 1.0.0",
    program_there="connstorm 1.0.0",
    host=HERE,
    privileges=EVERYTHING,
    there=Description(THERE, ServeLimits(change=True), EVERYTHING),
    clock=ClockOffset(offset_ns=-86_400_123_456_789, error_ns=93_600, at_ns=0, exchanges=16),
    probe=Probe(
        target="10.0.0.7:5000",
        error="",
        syns_there=1,
        others_syns_there=0,
        syn_acks_here=1,
        ends_here=ENDS,
        ends_there=ENDS[::-1],
        is_abort_seen=True,
        closed_error="ECONNREFUSED",
        mtu=1500,
        is_full_size_acked=True,
    ),
)
TROUBLE = msgspec.structs.replace(
    FINE,
    transport=Transport.TLS,
    peer="10.0.0.7",
    program_there="connstorm 1.0.1",
    privileges=NOTHING,
    there=Description(
        THERE,
        ServeLimits(sources=["10.0.0.0/24"], addresses=["10.0.0.7"], ports=(6000, 6999), max_rate_per_s=500),
        NOTHING,
    ),
    clock=ClockOffset(offset_ns=1_234_567, error_ns=10_522_440, at_ns=0, exchanges=16),
    probe=Probe(target="10.0.0.7:6000", error="ETIMEDOUT"),
)
REFUSED = msgspec.structs.replace(
    FINE, refusal="The serving host accepts connections from 10.1.0.0/24, not from 10.0.0.5.", probe=None
)
