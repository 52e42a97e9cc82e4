# SPDX-License-Identifier: MIT
"""Flames: what each frame of a profile costs an attempt, and by how much it differs between two arms."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stress.analysis.comparison.verdict import ALPHA
from stress.analysis.statistics.multiple_testing import holm_correction
from stress.profile.change import Change, counting_variance, time_change
from stress.profile.costs import Z_975
from stress.profile.difference import SAMPLES_MIN
from stress.profile.frames import FRAMES_MAX, Counts, Frames, merge_stacks
from stress.profile.sampled_storm import Arms, SampledStorm

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """What the frames cost an attempt in the trials of one arm (ns): the mean over trials.

    Attributes:
        ns: with what a frame called, shape (frames,).
        error_ns: how far that is from the truth by the chance of sampling, in 19 of 20 cases.
        own_ns: of the samples in which it was the innermost.
        samples: of all these trials.
    """

    ns: Floats
    error_ns: Floats
    own_ns: Floats
    samples: Counts


@dataclass(frozen=True)
class FrameChange:
    """How a frame differs between two arms: the difference with its interval, and whether it surely is no chance."""

    change: Change
    is_sure: bool


@dataclass(frozen=True)
class Flame:
    """The flame of one profile, or of two that are compared.

    Attributes:
        frames: those of all sides.
        sides: one; or the base and the new one.
        changes: of each frame; None where it has too few samples to be compared, or there is one side.
        has_trials: whether their intervals are those over trials; else they are those of sampling alone.
    """

    frames: Frames
    sides: list[Side]
    changes: list[FrameChange | None]
    has_trials: bool


def mean_flame(storms: Sequence[SampledStorm], most: int = FRAMES_MAX) -> Flame:
    """Return the flame of the profiled trials of a storm, with at most so many frames."""
    frames = merge_stacks(storms, most)
    weights = np.array([storm.ns for storm in storms]) / len(storms)
    return Flame(frames, [side_of(frames, weights)], [None] * len(frames.names), has_trials=False)


def compared_flame(arms: Arms, most: int = FRAMES_MAX) -> Flame:
    """Return the flame of two arms, whose times are means over units as those of ``compare_act`` are.

    A frame with enough samples is compared as a function is, over units. It is sure where its p remains small after
    correction for all frames that are compared (Holm). Where an arm has one unit, the interval is that of the chance of
    sampling alone: how far trials differ is not known then.

    Args:
        arms: base and new, of each unit its storms.
        most: frames.
    """
    storms = [storm for arm in arms for unit in arm for storm in unit]
    frames = merge_stacks(storms, most)
    numbers = {id(storm): number for number, storm in enumerate(storms)}
    sides = []
    for arm in arms:
        weights = np.zeros(len(storms))
        for unit in arm:
            for storm in unit:
                weights[numbers[id(storm)]] = storm.ns / len(unit) / len(arm)
        sides.append(side_of(frames, weights))
    compared = np.flatnonzero(frames.samples.sum(axis=1) >= SAMPLES_MIN * len(storms)).tolist()
    differences = [frame_change(arms, frames.samples[frame], numbers) for frame in compared]
    adjusted = holm_correction([1.0 if change.p is None else change.p for change in differences])
    changes: list[FrameChange | None] = [None] * len(frames.names)
    for frame, change, p in zip(compared, differences, adjusted, strict=True):
        changes[frame] = FrameChange(change, p <= ALPHA)
    return Flame(frames, sides, changes, has_trials=min(map(len, arms)) > 1)


def side_of(frames: Frames, weights: Floats) -> Side:
    """Return what frames cost; the weight of a storm is what its samples stand for, and 0 where it is not of the side.

    Args:
        frames: of all storms.
        weights: shape (storms,), ns.
    """
    return Side(
        ns=frames.samples @ weights,
        error_ns=Z_975 * np.sqrt(frames.samples @ weights**2),
        own_ns=frames.own @ weights,
        samples=frames.samples[:, weights > 0].sum(axis=1),
    )


def frame_change(arms: Arms, samples: Counts, numbers: dict[int, int]) -> Change:
    """Return the change of a frame.

    Args:
        arms: base and new.
        samples: of the frame in each storm, shape (storms,).
        numbers: of the storms, by their id.
    """

    def of_storm(storm: SampledStorm) -> float:
        return float(samples[numbers[id(storm)]])

    change = time_change(arms, of_storm)
    if change.p is not None:
        return change
    error_ns = math.sqrt(counting_variance(arms, of_storm))
    p = math.erfc(abs(change.ns) / error_ns / math.sqrt(2))
    return replace(change, low_ns=change.ns - Z_975 * error_ns, high_ns=change.ns + Z_975 * error_ns, p=p)
