# SPDX-License-Identifier: MIT
"""Read capture files into segments, ordered by time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stress.model.errors import UsageError
from stress.model.progress import ProgressCallback, ignore_progress
from stress.model.segment import CaptureFile, Segments
from stress.store.capture_file.batch import Batch, FileFacts
from stress.store.capture_file.fields import Places
from stress.store.capture_file.link import LINKS, name_link
from stress.store.capture_file.pcap import find_dialect, walk_pcap
from stress.store.capture_file.pcapng import MAGIC, walk_pcapng
from stress.store.capture_file.reason import Reason
from stress.store.capture_file.rows import Rows
from stress.store.capture_file.segments import read_segments
from stress.store.capture_file.stream import CaptureStream

FILES_MAX = 255  # SEGMENT numbers them in a byte


def read_captures(paths: Sequence[Path], notify: ProgressCallback = ignore_progress) -> Segments:
    """Read capture files: pcap or pcapng, also compressed by gzip.

    A packet that was captured several times, on all devices or at both ends, is there as often.

    Args:
        paths: the files.
        notify: progress callback.

    Returns:
        their segments, ordered by time; those of one time in the order of the files and of their packets.

    Raises:
        UsageError: a file is missing, is no capture file, is damaged, or has only packets of links that are not read.
    """
    if len(paths) > FILES_MAX:
        raise UsageError(f"{len(paths)} files are too many: merge them first, with `mergecap -w all.pcapng FILE…`.")
    statuses = [path.stat() for path in paths if path.exists()]
    if len({(status.st_dev, status.st_ino) for status in statuses}) < len(statuses):
        raise UsageError("A file is given twice, and its packets would count twice: name each file once.")
    collected = Rows()
    files = []
    for number, path in enumerate(paths):
        notify(f"reading {path}")
        files.append(read_file(path, number, collected))
    rows = collected.finish()
    times_ns = rows["time_ns"]
    if (times_ns[1:] < times_ns[:-1]).any():
        rows = rows[np.argsort(times_ns, kind="stable")]
    return Segments(rows, files)


@dataclass
class Tally:
    """What is counted while a file is read: ``reasons`` by Reason, ``links`` by LINKTYPE_…."""

    packets: int = 0
    segments: int = 0
    cut: int = 0
    times_ns: tuple[int, int] | None = None
    reasons: Counter[int] = field(default_factory=Counter)
    links: Counter[int] = field(default_factory=Counter)

    def add(self, batch: Batch, places: Places, reasons: npt.NDArray[np.int64]) -> None:
        """Count a batch, of which the packets at some places are segments."""
        self.reasons.update(count_values(reasons))
        self.links.update(count_values(batch.link))
        self.cut += int((batch.length[places] > (batch.end - batch.begin)[places]).sum())
        if (times_ns := batch.time_ns[batch.is_timed]).size:
            begin_ns, end_ns = int(times_ns.min()), int(times_ns.max())
            earlier = self.times_ns or (begin_ns, end_ns)
            self.times_ns = min(begin_ns, earlier[0]), max(end_ns, earlier[1])
        self.packets += len(batch.begin)
        self.segments += len(places)

    def skipped(self) -> dict[str, int]:
        """Return how many packets were not understood, by reason in words, the most frequent first."""
        other = (Reason.NONE, Reason.LINK)
        counts = Counter({Reason(reason).words: count for reason, count in self.reasons.items() if reason not in other})
        counts.update({f"link type {name_link(link)}": self.links[link] for link in self.links if link not in LINKS})
        return dict(counts.most_common())


def count_values(values: npt.NDArray[np.int64]) -> dict[int, int]:
    """Return how often each value is there."""
    numbers, counts = np.unique(values, return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def read_file(path: Path, number: int, collected: Rows) -> CaptureFile:
    """Read one file.

    Args:
        path: of it.
        number: of it, for its segments.
        collected: to which its segments are added.

    Raises:
        UsageError: as of ``read_captures``.
    """
    facts, tally = FileFacts(), Tally()
    with CaptureStream(path) as stream:
        for batch in walk_packets(stream, facts):
            reading = read_segments(batch)
            places = np.flatnonzero(reading.reason == Reason.NONE)
            rows = reading.rows[places]
            rows["file"], rows["frame"] = number, places + tally.packets
            collected.add(rows)
            tally.add(batch, places, reading.reason)
    if tally.links and not set(tally.links) & set(LINKS):
        names = " and ".join(name_link(link) for link in sorted(tally.links))
        raise UsageError(
            f"The packets of {path} have link type {names}, which is not read: capture with `tcpdump -i any`."
        )
    first_ns, last_ns = tally.times_ns or (0, 0)
    return CaptureFile(
        name=str(path),
        kind=facts.kind,
        links=list(dict.fromkeys(name_link(link) for link in sorted(tally.links))),
        packets=tally.packets,
        segments=tally.segments,
        skipped=tally.skipped(),
        snap_bytes=facts.snap_bytes,
        cut=tally.cut,
        is_truncated=facts.is_truncated,
        dropped=facts.dropped,
        first_ns=first_ns,
        last_ns=last_ns,
        resolution_ns=facts.resolution_ns,
    )


def walk_packets(stream: CaptureStream, facts: FileFacts) -> Iterator[Batch]:
    """Yield the packets of a file.

    Raises:
        UsageError: it is no capture file, or it is damaged.
    """
    head = stream.read_piece(len(MAGIC))
    if len(head) == len(MAGIC) and find_dialect(head):
        return walk_pcap(stream, head, facts)
    if head == MAGIC:
        return walk_pcapng(stream, head, facts)
    if not head and not stream.is_cut:
        raise UsageError(f"{stream.name} is empty, not even the header of a capture is in it: copy it again.")
    raise UsageError(
        f"{stream.name} is neither pcap nor pcapng: it begins with {head!r}; write captures with `tcpdump -w FILE`, "
        "or convert other formats with `editcap FILE new.pcapng`."
    )
