# SPDX-License-Identifier: MIT
"""Packets of worlds that nobody can make on one machine, written by hand as the reader of captures would have them."""

from ipaddress import ip_address

import numpy as np

from stress.model.segment import (
    ACK,
    FIN,
    NO_DIRECTION,
    NO_ICMP,
    OPTION_TIMESTAMP,
    RST,
    SEGMENT,
    SYN,
    CaptureFile,
    Segments,
)

CLIENT, SERVER = ("192.0.2.1", 40000), ("198.51.100.1", 443)
SECOND_NS, MS_NS = 1_000_000_000, 1_000_000
START_NS = 1_700_000_000 * SECOND_NS
BEFORE_S = 10
SILENCE_S = 200  # from the last packet to another connection, which shows that the capture went on
LETTERS = {"S": SYN, ".": ACK, "F": FIN, "R": RST}


class Talk:
    """The packets of a client and a server, in the order of their times.

    Attributes:
        at_ms: when the next packet is sent; each takes a tenth of a millisecond.
        silence_s: how long the capture goes on after the last packet.
        shifts: what is added to the numbers of the client's data, and to those of the server's.
    """

    def __init__(self, shifts=(0, 0)):
        self.rows = []
        self.silence_s = SILENCE_S
        self.shifts = shifts
        self.at_ms = 10_000.0

    def packet(self, way, flags, sequence=0, acknowledgment=0, *, payload=0, stamp=0, hops=None, file=0, icmp=None):
        """Add a packet: from the client (">") or from the server ("<"), with flags as tcpdump writes them."""
        row = np.zeros(1, SEGMENT)
        ends = (CLIENT, SERVER) if way == ">" else (SERVER, CLIENT)
        for (address, port), side in zip(ends, ("source", "destination"), strict=True):
            packed = ip_address(address).packed.ljust(16, b"\0")
            row[side] = np.frombuffer(packed, "V16")
            row[f"{side}_port"] = port
        row["time_ns"] = START_NS + round(self.at_ms * MS_NS)
        own, other = self.shifts if way == ">" else self.shifts[::-1]
        row["sequence"] = (sequence + own) % (1 << 32)
        row["acknowledgment"] = (acknowledgment + other) % (1 << 32) if "." in flags else 0
        row["flags"] = sum(LETTERS[letter] for letter in flags)
        row["payload"], row["family"], row["window"] = payload, 4, 64240
        row["timestamp"], row["options"] = stamp, OPTION_TIMESTAMP if stamp else 0
        row["hops"] = hops or (64 if way == ">" else 57)
        row["icmp_type"], row["icmp_code"] = icmp or (NO_ICMP, 0)
        row["file"], row["device"], row["direction"] = file, -1, NO_DIRECTION
        self.rows.append(row)
        self.at_ms += 0.1
        return self

    def wait(self, time_ms):
        """Let time pass."""
        self.at_ms += time_ms
        return self

    def copies(self, first):
        """Add a copy of each packet from number ``first`` on, as a link that doubles packets does."""
        for row in self.rows[first:]:
            copy = row.copy()
            copy["time_ns"] += MS_NS // 100
            self.rows.append(copy)
        return self

    def segments(self, dropped=None, late=()):
        """Return all packets as a reader of capture files returns them.

        Args:
            dropped: how many packets each file says that its capture lost.
            late: numbers of files that begin with the first packet of the talk; the others began long before.
        """
        for number in sorted({int(row["file"][0]) for row in self.rows}):
            times_ns = [int(row["time_ns"][0]) for row in self.rows if row["file"][0] == number]
            self.bystander(number, max(times_ns) + round(self.silence_s * SECOND_NS))
            if number not in late:
                self.bystander(number, min(times_ns) - BEFORE_S * SECOND_NS)
        rows = np.concatenate(self.rows)
        rows = rows[np.argsort(rows["time_ns"], kind="stable")]
        files = []
        for number in range(int(rows["file"].max()) + 1):
            own = rows["file"] == number
            rows["frame"][own] = np.arange(own.sum())
            times_ns = rows["time_ns"][own]
            count = int(own.sum())
            files.append(
                CaptureFile(
                    f"{number}.pcap", "pcap, ns", ["Ethernet"], count, count, {}, 0, 0, is_truncated=False,
                    dropped=dropped, first_ns=int(times_ns[0]), last_ns=int(times_ns[-1]), resolution_ns=1,
                )
            )  # fmt: skip
        return Segments(rows, files)

    def bystander(self, number, time_ns):
        """Add a packet of nobody's connection to a file, which shows that the capture went on then."""
        self.packet("<", ".", 1, 1, file=number)
        self.rows[-1]["time_ns"], self.rows[-1]["source_port"] = time_ns, 22


# Sequence numbers of the earlier connection: the client's initial one, and the server's.
OLD_CLIENT, OLD_SERVER = 1_000, 5_000_000_000 % (1 << 32)
NEW_CLIENT, NEW_SERVER = 900_000, 70_000


def earlier(talk, ending="client"):
    """Add an earlier connection, which ended in a way: names are those of OldSocket."""
    c, s = OLD_CLIENT, OLD_SERVER
    talk.packet(">", "S", c, stamp=100).packet("<", "S.", s, c + 1, stamp=500)
    if ending == "try":
        return talk
    talk.packet(">", ".", c + 1, s + 1, stamp=101)
    if ending in ("client", "client first"):
        talk.packet(">", "F.", c + 1, s + 1, stamp=102).packet("<", ".", s + 1, c + 2, stamp=502)
    if ending == "client first":
        talk.packet("<", "F.", s + 1, c + 2, stamp=503)
    if ending in ("server", "server first"):
        talk.packet("<", "F.", s + 1, c + 1, stamp=502).packet(">", ".", c + 1, s + 2, stamp=102)
    if ending == "server first":
        talk.packet(">", "F.", c + 1, s + 2, stamp=103).packet("<", ".", s + 2, c + 2, stamp=503)
    return talk


def numbers_of(ending):
    """Return the sequence and the acknowledgment number of a challenge after an earlier connection's ending."""
    counts_client = ending in ("client", "client first", "server first")
    counts_server = ending in ("server", "client first", "server first")
    return OLD_SERVER + 1 + counts_server, OLD_CLIENT + 1 + counts_client


def meets(talk, sequence, acknowledgment, *, gap_ms=8.0, stamp=9_000, reset=None, hops=57):
    """Add a SYN that is answered by an ACK of other data, the client's RST, and the SYN again after some time."""
    begun_ms = talk.at_ms
    talk.packet(">", "S", NEW_CLIENT, stamp=8_000)
    talk.packet("<", ".", sequence, acknowledgment, stamp=stamp, hops=hops)
    talk.packet(">", "R", acknowledgment if reset is None else reset)
    talk.at_ms = begun_ms + gap_ms
    return talk.packet(">", "S", NEW_CLIENT, stamp=8_008)


def connects(talk):
    """Add the server's SYN-ACK to the new SYN, and the client's ACK."""
    talk.packet("<", "S.", NEW_SERVER, NEW_CLIENT + 1, stamp=9_010)
    return talk.packet(">", ".", NEW_CLIENT + 1, NEW_SERVER + 1, stamp=8_009)
