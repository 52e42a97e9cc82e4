# SPDX-License-Identifier: MIT
"""Points of capture: which files one program wrote in turn, and what of a connection was seen from where."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.capture.conversation import is_syn, mix_bits, number_ends
from stress.analysis.capture.sighting import SAME, hash_fields
from stress.model.flow import Losses, Vantage
from stress.model.segment import INCOMING, NO_DIRECTION, OUTGOING, CaptureFile

LOOPBACK_4 = 127  # first byte of the addresses of IPv4's loopback
PAUSE_NS = 10_000_000_000  # within a capture that goes on in the next file


@dataclass(frozen=True)
class Point:
    """Files that hold one capture after the other from one place, as tcpdump -C and -G write them.

    Attributes:
        files: their numbers.
        first_ns: time of the first packet.
        until_ns: by file number, until when the capture went on from there, without a pause.
        losses: whether packets were lost.
    """

    files: list[int]
    first_ns: int
    until_ns: dict[int, int]
    losses: Losses


def find_points(files: Sequence[CaptureFile], rows: npt.NDArray[Any]) -> list[Point]:
    """Return the points of capture of some files.

    Files of one kind that follow each other without an overlap come from one place; files of both ends overlap, or
    their clocks are so far apart that they do not: then the same SYNs are in both.

    Args:
        files: the files.
        rows: their segments, dtype SEGMENT.
    """
    groups: list[list[int]] = []
    syns = [name_syns(rows[rows["file"] == number]) for number in range(len(files))] if len(files) > 1 else []

    def goes_on(number: int, group: list[int]) -> bool:
        if not follows(files[number], files[group[-1]]):
            return False
        return not any(np.isin(syns[number], syns[before]).any() for before in group)

    for number in sorted(range(len(files)), key=lambda number: files[number].first_ns):
        before = next((group for group in groups if goes_on(number, group)), None)
        if before is None:
            groups.append([number])
        else:
            before.append(number)
    return [
        Point(group, files[group[0]].first_ns, coverage(files, group), losses_of([files[number] for number in group]))
        for group in groups
    ]


def name_syns(rows: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Return a number for each SYN that is not sent again alike, shape (syns,): equal for sightings of one packet."""
    syns = rows[is_syn(rows["flags"]) & ((rows["identification"] != 0) | (rows["timestamp"] != 0))]
    client, server = (number_ends(syns[side], syns[f"{side}_port"]) for side in ("source", "destination"))
    return hash_fields(syns, SAME, mix_bits(client) ^ server)


def follows(file: CaptureFile, before: CaptureFile) -> bool:
    """Return whether a file may go on where another one ended."""
    alike = (file.kind, file.links, file.snap_bytes) == (before.kind, before.links, before.snap_bytes)
    return alike and file.first_ns >= before.last_ns


def coverage(files: Sequence[CaptureFile], group: list[int]) -> dict[int, int]:
    """Return until when the capture went on from each file of a point, by the file's number."""
    until_ns: dict[int, int] = {}
    end_ns = next_ns = 0
    for number in reversed(group):
        file = files[number]
        if not next_ns or next_ns - file.last_ns > PAUSE_NS:
            end_ns = file.last_ns
        until_ns[number], next_ns = end_ns, file.first_ns
    return until_ns


def losses_of(files: Sequence[CaptureFile]) -> Losses:
    """Return what files say of packets that their capture lost."""
    if any(file.dropped for file in files):
        return Losses.SOME
    return Losses.NOT_SAID if any(file.dropped is None for file in files) else Losses.NONE


def vantage_of(
    rows: npt.NDArray[Any], of_try: npt.NDArray[np.int64], count: int, syns: npt.NDArray[np.intp]
) -> npt.NDArray[np.uint8]:
    """Return from where each try was seen, shape (count,), values of Vantage.

    A SYN that only leaves the capturing host comes from it, one that only arrives is for it. One that does both passes
    it, or never leaves it: on a loopback device, or between two addresses that are one.

    Args:
        rows: all segments, dtype SEGMENT.
        of_try: number of the try of each SYN, shape (syns,).
        count: of tries.
        syns: indices of their SYNs, copies included, shape (syns,).
    """
    own = rows[syns]
    left, arrived, unsaid = (
        np.bincount(of_try[own["direction"] == way], minlength=count) > 0 for way in (OUTGOING, INCOMING, NO_DIRECTION)
    )
    sources = np.ascontiguousarray(own["source"])
    first_bytes = sources.view(np.uint8).reshape(-1, 16)[:, 0] if len(own) else np.zeros(0, np.uint8)
    on_loopback = (own["family"] == 4) & (first_bytes == LOOPBACK_4) | (sources == own["destination"])
    inside = np.bincount(of_try[on_loopback], minlength=count) > 0
    vantage = np.full(count, Vantage.UNKNOWN, np.uint8)
    vantage[left & arrived] = Vantage.BETWEEN
    vantage[left & ~arrived & ~unsaid] = Vantage.CLIENT
    vantage[arrived & ~left & ~unsaid] = Vantage.SERVER
    vantage[inside] = Vantage.BOTH
    return vantage
