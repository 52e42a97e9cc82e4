# SPDX-License-Identifier: MIT
"""Frames: stacks merged from the outermost frame inwards into a tree, as flame graphs draw it.

A frame is a function in one place: below one caller, which is itself below one. The first frame is the whole attempt;
below it are client and server, on any CPU, below these their system calls, and below these the functions.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stress.profile.costs import ENABLES_INTERRUPTS
from stress.profile.sampled_storm import SampledStorm

WHOLE = "an attempt"
FRAMES_MAX = 8000  # of a tree; of more, those with the fewest samples are left out

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Frames:
    """A tree of frames in preorder: after a frame come those that it called, the one with most samples first.

    Attributes:
        names: of the frames.
        depths: 0 for the whole attempt.
        samples: with what a frame called, shape (frames, storms).
        own: those in which it was the innermost, same shape.
        left_out: how many frames have so few samples that they are not in the tree; their time is their callers'.
    """

    names: list[str]
    depths: list[int]
    samples: Counts
    own: Counts
    left_out: int

    @property
    def are_displaced(self) -> list[bool]:
        """Whether a frame turns interrupts on, and has samples of its own: these are also of what ran before."""
        counts = self.own.sum(axis=1).tolist()
        return [
            count > 0 and name.partition(".")[0] in ENABLES_INTERRUPTS
            for name, count in zip(self.names, counts, strict=True)
        ]


@dataclass
class Tree:
    """A tree that grows: its frames in the order in which they were seen, callers first."""

    names: list[str] = field(default_factory=lambda: [WHOLE])
    parents: list[int] = field(default_factory=lambda: [0])
    children: list[dict[str, int]] = field(default_factory=lambda: [{}])

    def child(self, parent: int, name: str) -> int:
        """Return the frame of that name below another one."""
        frame = self.children[parent].get(name)
        if frame is None:
            frame = self.children[parent][name] = len(self.names)
            self.names.append(name)
            self.parents.append(parent)
            self.children.append({})
        return frame

    def count(self, storm: SampledStorm) -> tuple[Counter[int], Counter[int]]:
        """Add the stacks of a storm; return the samples of its frames, and those in which they were the innermost."""
        samples, own = Counter[int](), Counter[int]()
        for stack, count in storm.stacks.items():
            frame = 0
            samples[frame] += count
            for name in stack:
                frame = self.child(frame, name)
                samples[frame] += count
            own[frame] += count
        return samples, own

    def preorder(self, totals: Counts, least: int) -> tuple[list[int], list[int]]:
        """Return the frames with at least so many samples, and their depths, in the order of ``Frames``."""
        order, depths = [], []
        waiting = [(0, 0)]
        while waiting:
            frame, depth = waiting.pop()
            order.append(frame)
            depths.append(depth)
            below = [child for child in self.children[frame].values() if totals[child] >= least]
            below.sort(key=lambda child: (-totals[child], self.names[child]))
            waiting += [(child, depth + 1) for child in reversed(below)]
        return order, depths


def merge_stacks(storms: Sequence[SampledStorm], most: int = FRAMES_MAX) -> Frames:
    """Return the frames of some storms, at most so many of them."""
    tree = Tree()
    counted = [tree.count(storm) for storm in storms]
    frames = range(len(tree.names))
    samples, own = (
        np.array([[storm[kind][frame] for storm in counted] for frame in frames], np.int64) for kind in (0, 1)
    )
    totals = samples.sum(axis=1)
    least = int(np.sort(totals)[-most - 1]) + 1 if len(frames) > most else 0
    for frame in np.flatnonzero(totals[1:] < least)[::-1] + 1:  # what was called stands after its caller
        own[tree.parents[frame]] += own[frame]
    order, depths = tree.preorder(totals, least)
    return Frames([tree.names[frame] for frame in order], depths, samples[order], own[order], len(frames) - len(order))
