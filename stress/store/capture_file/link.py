# SPDX-License-Identifier: MIT
"""Link layers: where in each captured packet its IP header begins (tcpdump.org, linktypes)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.model.segment import INCOMING, OUTGOING
from stress.store.capture_file.batch import Batch
from stress.store.capture_file.fields import Fields, Places
from stress.store.capture_file.reason import Reason

IPV4, IPV6 = 0x0800, 0x86DD
VLANS = (0x8100, 0x88A8, 0x9100)  # 802.1Q, 802.1ad, and what came before 802.1ad (libpcap, gencode.c)
VLANS_MAX = 4
NETLINK, RADIOTAP = 824, 803  # ARPHRD_…, for which a cooked header's protocol is no EtherType
PACKET_OUTGOING = 4  # linux/if_packet.h
BSD_FAMILIES = {2: IPV4, 10: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}  # AF_INET, and AF_INET6 of each system


@dataclass(frozen=True)
class Network:
    """Where the IP headers of a batch are.

    Attributes:
        at: shape (packets,), where it begins; anything where there is a reason.
        version: 4 or 6; 0 where there is a reason.
        reason: Reason.NONE, or why there is none.
        device: interface; -1: not known.
        direction: model.segment.INCOMING, OUTGOING or NO_DIRECTION.
    """

    at: Places
    version: npt.NDArray[np.int64]
    reason: npt.NDArray[np.int64]
    device: npt.NDArray[np.int64]
    direction: npt.NDArray[np.int64]


@dataclass
class Frames:
    """Packets of one link type: ``at`` moves to the network header, and the rest is filled in on the way."""

    fields: Fields
    at: Places
    device: npt.NDArray[np.int64]
    direction: npt.NDArray[np.int64]
    protocol: npt.NDArray[np.int64]  # EtherType


@dataclass(frozen=True)
class Link:
    """A link type that is read: its name, the least bytes of its header, and what reads it."""

    words: str
    header_bytes: int
    read: Callable[[Frames], None]


def read_ethernet(frames: Frames) -> None:
    """Skip Ethernet headers."""
    frames.protocol = frames.fields.half(frames.at + 12)
    frames.at = frames.at + 14


def read_cooked(frames: Frames) -> None:
    """Skip LINUX_SLL headers, which say the direction."""
    kind, hardware = frames.fields.half(frames.at), frames.fields.half(frames.at + 2)
    frames.direction = np.where(kind == PACKET_OUTGOING, OUTGOING, INCOMING)
    frames.protocol = np.where(np.isin(hardware, (NETLINK, RADIOTAP)), 0, frames.fields.half(frames.at + 14))
    frames.at = frames.at + 16


def read_cooked_v2(frames: Frames) -> None:
    """Skip LINUX_SLL2 headers, which say the direction and the device."""
    kind, hardware = frames.fields.byte(frames.at + 10), frames.fields.half(frames.at + 8)
    frames.direction = np.where(kind == PACKET_OUTGOING, OUTGOING, INCOMING)
    frames.device = frames.fields.word(frames.at + 4).astype("<i4").astype(np.int64)
    frames.protocol = np.where(np.isin(hardware, (NETLINK, RADIOTAP)), 0, frames.fields.half(frames.at))
    frames.at = frames.at + 20


def read_raw(frames: Frames) -> None:
    """Tell IPv4 from IPv6 where there is no header before them."""
    version = frames.fields.byte(frames.at) >> 4
    frames.protocol = np.select([version == 4, version == 6], [IPV4, IPV6], 0)


def read_loopback(frames: Frames) -> None:
    """Skip the headers of BSD's loopback devices: a number of the address family, in the byte order of any host."""
    big = frames.fields.word(frames.at)
    family = np.where(big < 1 << 16, big, ((big >> 24) & 0xFF) | ((big >> 8) & 0xFF00))
    frames.protocol = np.select([family == number for number in BSD_FAMILIES], list(BSD_FAMILIES.values()), 0)
    frames.at = frames.at + 4


RAW = Link("raw IP", 1, read_raw)
LINKS = {
    0: Link("BSD loopback", 4, read_loopback),
    1: Link("Ethernet", 14, read_ethernet),
    12: RAW,  # DLT_RAW as some programs wrote it into files; 14 on OpenBSD
    14: RAW,
    101: RAW,
    108: Link("OpenBSD loopback", 4, read_loopback),
    113: Link("Linux cooked", 16, read_cooked),
    228: Link("raw IPv4", 1, read_raw),
    229: Link("raw IPv6", 1, read_raw),
    276: Link("Linux cooked v2", 20, read_cooked_v2),
}
OTHER_LINKS = {  # only to name them
    6: "Token Ring",
    9: "PPP",
    50: "PPP in HDLC framing",
    51: "PPPoE",
    105: "802.11",
    127: "802.11 with radiotap",
    149: "PKTAP",
    189: "USB",
    220: "USB",
    239: "NFLOG",
    253: "netlink",
    258: "PKTAP",
}


def name_link(number: int) -> str:
    """Return the name of a link type."""
    if number in LINKS:
        return LINKS[number].words
    return f"{OTHER_LINKS.get(number, 'unknown')} (LINKTYPE {number})"


def find_network(batch: Batch) -> Network:
    """Find where the IP header of each packet of a batch begins."""
    count = len(batch.begin)
    network = Network(
        at=batch.begin.copy(),
        version=np.zeros(count, np.int64),
        reason=np.full(count, Reason.LINK, np.int64),
        device=batch.device.copy(),
        direction=batch.direction.copy(),
    )
    for number in np.unique(batch.link).tolist():
        if (link := LINKS.get(number)) is not None:
            rows = np.flatnonzero(batch.link == number)
            network.reason[rows] = Reason.CUT
            skip_link(link, batch, rows[batch.end[rows] - batch.begin[rows] >= link.header_bytes], network)
    network.reason[~batch.is_timed & (network.reason != Reason.LINK)] = Reason.NO_TIME
    return network


def skip_link(link: Link, batch: Batch, rows: Places, network: Network) -> None:
    """Fill in the rows of packets of one link type."""
    frames = Frames(
        batch.fields, batch.begin[rows], batch.device[rows], batch.direction[rows], np.zeros(len(rows), np.int64)
    )
    link.read(frames)
    end = batch.end[rows]
    for _ in range(VLANS_MAX):
        tagged = np.flatnonzero(np.isin(frames.protocol, VLANS) & (frames.at + 4 <= end))
        if not tagged.size:
            break
        frames.protocol[tagged] = batch.fields.half(frames.at[tagged] + 2)
        frames.at[tagged] += 4
    network.at[rows], network.device[rows], network.direction[rows] = frames.at, frames.device, frames.direction
    version = np.select([frames.protocol == IPV4, frames.protocol == IPV6], [4, 6], 0)
    network.version[rows] = version
    reason = np.where(version == 0, Reason.NOT_IP, Reason.NONE)
    is_cut = frames.at >= end
    reason[is_cut & ((version != 0) | np.isin(frames.protocol, VLANS))] = Reason.CUT
    left = np.flatnonzero(reason == Reason.NONE)
    reason[left[batch.fields.byte(frames.at[left]) >> 4 != version[left]]] = Reason.DAMAGED
    network.reason[rows] = reason
