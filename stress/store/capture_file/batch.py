# SPDX-License-Identifier: MIT
"""A batch: some packets of a capture file, one after the other, still as they were captured."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from stress.store.capture_file.fields import Fields, Places


@dataclass(frozen=True)
class Batch:
    """Packets that follow each other in a file.

    Attributes:
        fields: the piece of the file that they lie in.
        begin: shape (packets,), where in the piece each begins.
        end: where what was stored of each ends.
        length: bytes on the wire, not less than were stored.
        time_ns: CLOCK_REALTIME.
        is_timed: whether it has a time.
        link: LINKTYPE_… (pcap-linktype(7)).
        device: interface; -1: not known.
        direction: model.segment.INCOMING, OUTGOING or NO_DIRECTION.
    """

    fields: Fields
    begin: Places
    end: Places
    length: npt.NDArray[np.int64]
    time_ns: npt.NDArray[np.int64]
    is_timed: npt.NDArray[np.bool_]
    link: npt.NDArray[np.int64]
    device: npt.NDArray[np.int64]
    direction: npt.NDArray[np.int64]

    def select(self, places: Places) -> "Batch":
        """Return some of the packets."""
        arrays = {field.name: getattr(self, field.name)[places] for field in fields(self) if field.name != "fields"}
        return Batch(self.fields, **arrays)


@dataclass
class FileFacts:
    """What a walk along a file learns of it besides its packets; it is complete when the walk has ended.

    Attributes:
        kind: in words: "pcapng", "pcap, ns".
        snap_bytes: the limit of the capture, the lowest of all interfaces; 0: none.
        resolution_ns: of its timestamps, the coarsest of all interfaces.
        is_truncated: it ends within a packet.
        dropped: packets that the capturing program says it lost; None: not said.
    """

    kind: str = ""
    snap_bytes: int = 0
    resolution_ns: int = 1
    is_truncated: bool = False
    dropped: int | None = None

    def note_interface(self, snap_bytes: int, resolution_ns: int) -> None:
        """Note an interface that has packets."""
        self.snap_bytes = min(self.snap_bytes or snap_bytes, snap_bytes or self.snap_bytes)
        self.resolution_ns = max(self.resolution_ns, resolution_ns)
