# SPDX-License-Identifier: MIT
"""From the packets of a batch to segments: TCP headers, and the segments that ICMP errors quote."""

import socket
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.segment import NO_ICMP, OPTION_CUT, SEGMENT
from stress.store.capture_file.batch import Batch
from stress.store.capture_file.fields import Fields, Places
from stress.store.capture_file.link import Network, find_network
from stress.store.capture_file.network import find_transport
from stress.store.capture_file.options import read_options
from stress.store.capture_file.reason import Reason

TCP_BYTES = 20
FLAGS_END = 14  # a TCP header must be stored up to here: without its flags a segment says nothing
PORTS_END, SEQUENCE_END, ACKNOWLEDGMENT_END, WINDOW_END = 4, 8, 12, 16
ICMP_BYTES = 8
# Destination unreachable, time exceeded, parameter problem (RFC 792); the same and packet too big (RFC 4443).
ICMP = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
ICMP_ERRORS = {4: (3, 11, 12), 6: (1, 2, 3, 4)}
TUNNELS = (socket.IPPROTO_IPIP, socket.IPPROTO_IPV6, socket.IPPROTO_GRE)
ADDRESSES = {4: (12, 16, 4), 6: (8, 24, 16)}  # places of source and destination in an IP header; their length
HOPS = {4: 8, 6: 7}
IDENTIFICATION = 4


@dataclass(frozen=True)
class Reading:
    """What is read of a batch.

    Attributes:
        fields: the piece of the file that it lies in.
        rows: shape (packets,), dtype SEGMENT, without ``file`` and ``frame``; of no use where there is a reason.
        reason: shape (packets,), Reason.NONE, or why a packet is no segment.
        headers_end: shape (packets,), where the headers of a segment end; where an error ends.
    """

    fields: Fields
    rows: npt.NDArray[Any]
    reason: npt.NDArray[np.int64]
    headers_end: Places


@dataclass(frozen=True)
class Carried:
    """Transport headers, or segments that are quoted, of some packets of one version of IP.

    Attributes:
        packets: shape (headers,), index in the batch.
        network_at: where the IP header begins.
        at: where the transport header begins.
        end: where the packet ends, by the lengths in its headers.
        stored_end: where what was stored of it ends.
    """

    packets: Places
    network_at: Places
    at: Places
    end: Places
    stored_end: Places

    def select(self, mask: npt.NDArray[np.bool_]) -> "Carried":
        """Return some of them."""
        return Carried(self.packets[mask], self.network_at[mask], self.at[mask], self.end[mask], self.stored_end[mask])


def read_segments(batch: Batch) -> Reading:
    """Read the segments of a batch."""
    network = find_network(batch)
    reading = Reading(batch.fields, np.zeros(len(batch.begin), SEGMENT), network.reason, batch.end.copy())
    reading.rows["icmp_type"] = NO_ICMP
    reading.rows["time_ns"] = batch.time_ns
    reading.rows["device"], reading.rows["direction"] = network.device, network.direction
    for version in (4, 6):
        packets = np.flatnonzero((network.version == version) & (network.reason == Reason.NONE))
        if packets.size:
            read_packets(reading, batch, network, packets, version)
    return reading


def read_packets(reading: Reading, batch: Batch, network: Network, packets: Places, version: int) -> None:
    """Read the packets of one version of IP."""
    at, stored_end = network.at[packets], batch.end[packets]
    wire_end = batch.begin[packets] + batch.length[packets]
    transport = find_transport(reading.fields, at, stored_end, wire_end, version)
    reading.reason[packets] = transport.reason
    carried = Carried(packets, at, transport.at, transport.end, np.minimum(stored_end, transport.end))
    is_left = transport.reason == Reason.NONE
    is_tcp = is_left & (transport.protocol == socket.IPPROTO_TCP)
    is_icmp = is_left & (transport.protocol == ICMP[version])
    is_tunnel = np.isin(transport.protocol, TUNNELS)
    reading.reason[packets[is_left & ~is_tcp & ~is_icmp]] = Reason.NOT_TCP
    reading.reason[packets[is_left & is_tunnel]] = Reason.TUNNEL
    known = packets[is_left]
    reading.rows["family"][known] = version
    reading.rows["hops"][known] = reading.fields.byte(at[is_left] + HOPS[version])
    if version == 4:
        reading.rows["identification"][known] = reading.fields.half(at[is_left] + IDENTIFICATION)
    read_tcp(reading, carried.select(is_tcp), version)
    read_errors(reading, carried.select(is_icmp), version)


def read_ends(reading: Reading, carried: Carried, version: int) -> None:
    """Read addresses, ports, and what is stored of the two numbers of a segment."""
    fields, rows, packets = reading.fields, reading.rows, carried.packets
    source, destination, address_bytes = ADDRESSES[version]
    rows["source"][packets] = fields.address(carried.network_at + source, address_bytes)
    rows["destination"][packets] = fields.address(carried.network_at + destination, address_bytes)
    rows["source_port"][packets] = fields.half(carried.at)
    rows["destination_port"][packets] = fields.half(carried.at + 2)
    for name, end in (("sequence", SEQUENCE_END), ("acknowledgment", ACKNOWLEDGMENT_END)):
        is_stored = carried.at + end <= carried.stored_end
        rows[name][packets[is_stored]] = fields.word(carried.at[is_stored] + end - 4)


def read_tcp(reading: Reading, carried: Carried, version: int) -> None:
    """Read TCP headers."""
    is_damaged = carried.at + TCP_BYTES > carried.end
    is_cut = ~is_damaged & (carried.at + FLAGS_END > carried.stored_end)
    reading.reason[carried.packets[is_damaged]] = Reason.DAMAGED
    reading.reason[carried.packets[is_cut]] = Reason.CUT
    carried = carried.select(~is_damaged & ~is_cut)
    header = (reading.fields.byte(carried.at + 12) >> 4) * 4
    is_possible = (header >= TCP_BYTES) & (carried.at + header <= carried.end)
    reading.reason[carried.packets[~is_possible]] = Reason.DAMAGED
    carried, header = carried.select(is_possible), header[is_possible]
    read_ends(reading, carried, version)
    fields, rows, packets = reading.fields, reading.rows, carried.packets
    reading.headers_end[packets] = np.minimum(carried.at + header, carried.stored_end)
    rows["flags"][packets] = fields.byte(carried.at + 13)
    has_window = carried.at + WINDOW_END <= carried.stored_end
    rows["window"][packets[has_window]] = fields.half(carried.at[has_window] + 14)
    rows["payload"][packets] = carried.end - carried.at - header
    options = read_options(fields, carried.at + TCP_BYTES, carried.at + header, carried.stored_end)
    rows["options"][packets] = options.bits
    rows["timestamp"][packets] = options.timestamp
    rows["timestamp_echo"][packets] = options.echo


def read_errors(reading: Reading, carried: Carried, version: int) -> None:
    """Read the segments that ICMP errors quote."""
    is_cut = carried.at + ICMP_BYTES > carried.stored_end
    reading.reason[carried.packets[is_cut]] = Reason.CUT
    carried = carried.select(~is_cut)
    kind = reading.fields.byte(carried.at)
    is_error = np.isin(kind, ICMP_ERRORS[version])
    reading.reason[carried.packets[~is_error]] = Reason.NOT_TCP
    carried, kind = carried.select(is_error), kind[is_error]
    at = carried.at + ICMP_BYTES
    is_empty = at >= carried.stored_end
    quoted = find_transport(reading.fields, at, carried.stored_end, carried.end, version)
    reason = np.where(is_empty | (reading.fields.byte(at) >> 4 == version), quoted.reason, Reason.DAMAGED)
    is_left = reason == Reason.NONE
    is_tcp = quoted.protocol == socket.IPPROTO_TCP
    reason[is_left & ~is_tcp] = Reason.NOT_TCP
    reason[is_left & is_tcp & (quoted.at + PORTS_END > carried.stored_end)] = Reason.CUT
    reading.reason[carried.packets] = reason
    is_read = reason == Reason.NONE
    inner = Carried(carried.packets, at, quoted.at, quoted.end, carried.stored_end).select(is_read)
    read_ends(reading, inner, version)
    is_without_sequence = inner.at + SEQUENCE_END > inner.stored_end
    reading.rows["options"][inner.packets[is_without_sequence]] = OPTION_CUT
    reading.rows["icmp_type"][inner.packets] = kind[is_read]
    reading.rows["icmp_code"][inner.packets] = reading.fields.byte(carried.at[is_read] + 1)
