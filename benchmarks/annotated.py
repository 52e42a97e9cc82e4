# SPDX-License-Identifier: MIT
"""Series of many kinds whose changes are known, simulated annotators of them, and how well steps agree with those.

The measures are those of van den Burg and Williams, "An evaluation of change point detection algorithms" (2020): F1
with a margin of five points, and covering, both against several annotators, with the first point as a trivial change.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stress.analysis.history.change import State, Track
from stress.analysis.history.change_point import find_change_points

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from history_builders import WIDTH, a_series, drawn_series  # the tests' builders are no package

Floats = npt.NDArray[np.float64]
MARGIN = 5  # points that a change may be off
ANNOTATORS = 5


@dataclass(frozen=True)
class Drawn:
    """A simulated series.

    Attributes:
        family: its kind.
        values: above zero, shape (points,).
        steps: the first points after its steps.
        kinks: the points where its slope changes, or its season or its variance does: some annotators mark them.
        metric: as what it is looked at.
    """

    family: str
    values: Floats
    steps: tuple[int, ...] = ()
    kinks: tuple[int, ...] = ()
    metric: str = "body.p50"

    def annotate(self, rng: np.random.Generator) -> list[set[int]]:
        """Return what each annotator marks: most steps, some kinks, each about where it is."""
        marks = [(place, 0.9) for place in self.steps] + [(place, 0.55) for place in self.kinks]
        last = len(self.values) - 1
        return [
            {int(np.clip(place + round(rng.normal(0, 1.2)), 1, last)) for place, share in marks if rng.random() < share}
            for _ in range(ANNOTATORS)
        ]


def hits(marked: Iterable[int], places: Iterable[int]) -> int:
    """Return how many marks have a place within the margin, each place counted for one mark at most."""
    left, count = set(places), 0
    for mark in sorted(marked):
        near = [(abs(mark - place), place) for place in left if abs(mark - place) <= MARGIN]
        if near:
            left.remove(min(near)[1])
            count += 1
    return count


def f1_score(annotations: Sequence[set[int]], places: Iterable[int]) -> float:
    """Return the harmonic mean of the precision against all annotators together and the mean recall of each."""
    said = {0, *places}
    marked = [{0, *marks} for marks in annotations]
    precision = hits(set().union(*marked), said) / len(said)
    recall = float(np.mean([hits(marks, said) / len(marks) for marks in marked]))
    return 2 * precision * recall / (precision + recall)


def covering(annotations: Sequence[set[int]], places: Iterable[int], points: int) -> float:
    """Return the mean over annotators of how well segments cover theirs (the Jaccard index, weighted by length)."""

    def segments(cuts: Iterable[int]) -> list[tuple[int, int]]:
        return list(pairwise(sorted({0, *cuts, points})))

    def overlap(one: tuple[int, int], other: tuple[int, int]) -> float:
        common = min(one[1], other[1]) - max(one[0], other[0])
        return max(0, common) / (max(one[1], other[1]) - min(one[0], other[0]))

    said = segments(places)
    scores = [
        sum((last - first) * max(overlap((first, last), other) for other in said) for first, last in segments(marks))
        / points
        for marks in annotations
    ]
    return float(np.mean(scores))


def ar_noise(rng: np.random.Generator, points: int, share: float = 0.0, tails: float | None = None) -> Floats:
    """Return AR(1) noise with a standard deviation of about 1."""
    new = rng.normal(size=points + 100) if tails is None else rng.standard_t(tails, points + 100) / 1.5
    values = np.zeros(points + 100)
    for place in range(1, points + 100):
        values[place] = share * values[place - 1] + new[place]
    return np.asarray(values[100:] * np.sqrt(1 - share**2))


def cuts_of(rng: np.random.Generator, points: int, most: int, apart: int = 8) -> list[int]:
    """Return up to ``most`` places, one at least, no two of them near each other or near an end."""
    apart = max(5, min(apart, points // 6))
    for _ in range(100):
        cuts = sorted(int(cut) for cut in rng.integers(apart, points - apart + 1, int(rng.integers(1, most + 1))))
        if all(after - before >= apart for before, after in pairwise(cuts)):
            return cuts
    return [points // 2]


def stairs(rng: np.random.Generator, points: int, cuts: Sequence[int], low: float = 3, high: float = 12) -> Floats:
    """Return levels that change by 3 to 12 widths at the cuts."""
    level = np.zeros(points)
    for cut in cuts:
        level[cut:] += rng.choice([-1, 1]) * rng.uniform(low, high)
    return level


def kinked(rng: np.random.Generator, points: int, cuts: Sequence[int], total: float) -> Floats:
    """Return a broken line whose slopes differ clearly from piece to piece."""
    ends, line, slope, height = [0, *cuts, points], np.zeros(points), 0.0, 0.0
    slopes = [0.0, total / points, -total / points, 3 * total / points]
    for first, last in pairwise(ends):
        slope = float(rng.choice([one for one in slopes if one != slope]))
        line[first:last] = height + slope * np.arange(last - first)
        height += slope * (last - first)
    return line


def seasons(rng: np.random.Generator, points: int, period: int) -> Floats:
    """Return a pattern that repeats."""
    return np.resize(np.cumsum(rng.normal(size=period)) + rng.normal(size=period), points)


def a_length(rng: np.random.Generator, low: int = 15, high: int = 500) -> int:
    """Return a length; short ones are more likely."""
    return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))


def as_times(heights: Floats, width: float) -> Floats:
    """Return values above zero whose logarithms are heights in noise widths."""
    return np.asarray(11_000 * np.exp(width * (heights - np.median(heights))))


class Drawer:
    """Draws a series of each family."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Begin with no series."""
        self.rng = rng
        self.drawn: dict[str, Drawn] = {}

    def add(self, name: str, heights: Floats, steps: Sequence[int] = (), kinks: Sequence[int] = ()) -> None:
        """Add a series of times with a width of the noise of 1 to 10 %, less where its range is large."""
        width = min(float(np.exp(self.rng.uniform(np.log(0.01), np.log(0.1)))), 20 / float(np.ptp(heights)))
        self.drawn[name] = Drawn(name, as_times(heights, width), tuple(steps), tuple(kinks))

    def add_noise(self) -> None:
        """Add series without any change."""
        rng = self.rng
        self.add("white", ar_noise(rng, a_length(rng)))
        self.add("heavy tails", ar_noise(rng, a_length(rng), tails=2.5))
        self.add("AR", ar_noise(rng, a_length(rng), float(rng.uniform(0.3, 0.9))))
        self.add("random walk", np.cumsum(rng.normal(size=a_length(rng))))
        self.add("walk with drift", np.cumsum(rng.normal(rng.uniform(0.3, 1.5), size=a_length(rng))))
        n = a_length(rng)
        self.add("only outliers", ar_noise(rng, n) + np.where(rng.random(n) < 0.05, rng.normal(0, 15, n), 0))
        n = a_length(rng, 48, 300)
        self.add("seasons", ar_noise(rng, n, 0.3) + rng.uniform(1, 4) * seasons(rng, n, int(rng.choice([4, 7, 12]))))
        n = a_length(rng, 20)
        none = rng.poisson(float(rng.choice([0.1, 1, 10])), n).astype(np.float64) * 100
        self.drawn["counts without a step"] = Drawn("counts without a step", none, (), (), "errors_per_million")

    def add_steps(self) -> None:
        """Add series with steps."""
        rng = self.rng
        n = a_length(rng)
        cut = cuts_of(rng, n, 2)
        self.add("walk with jumps", np.cumsum(rng.normal(size=n)) + stairs(rng, n, cut, 12, 40), cut)
        n = a_length(rng)
        cut = cuts_of(rng, n, 1)
        self.add("one step", ar_noise(rng, n, float(rng.choice([0, 0, 0.4]))) + stairs(rng, n, cut), cut)
        n = a_length(rng, 40)
        cut = cuts_of(rng, n, 8)
        self.add("steps", ar_noise(rng, n, float(rng.choice([0, 0, 0.4])), 4) + stairs(rng, n, cut), cut)
        n = a_length(rng, 25)
        cut = cuts_of(rng, n, 2)
        strays = np.where(rng.random(n) < 0.04, rng.normal(0, 15, n), 0)
        self.add("outliers", ar_noise(rng, n) + stairs(rng, n, cut) + strays, cut)
        n = a_length(rng, 60, 300)
        cut = cuts_of(rng, n, 1, n // 5)
        pattern = rng.uniform(1, 3) * seasons(rng, n, int(rng.choice([4, 12])))
        self.add("seasons and a step", ar_noise(rng, n, 0.3) + pattern + stairs(rng, n, cut, 6), cut)
        n = a_length(rng, 30)
        first = cuts_of(rng, n, 1, max(5, n // 8))[0]
        last = min(n, first + int(rng.integers(6, 20)))
        dip = np.zeros(n)
        dip[first:last] = -rng.uniform(6, 15)
        back = [place for place in (first, last) if place < n - 1]
        self.add("a dip", ar_noise(rng, n, float(rng.choice([0, 0.4]))) + dip, back)
        n = a_length(rng, 20)
        cut = cuts_of(rng, n, 2)
        level = np.exp(stairs(rng, n, cut, 0.5, 1.5)) * rng.choice([4, 20, 100])
        counts = rng.poisson(level).astype(np.float64) * 100
        self.drawn["counts"] = Drawn("counts", counts, tuple(cut), (), "errors_per_million")

    def add_trends(self) -> None:
        """Add series with trends, some with steps or kinks as well."""
        rng = self.rng
        n = a_length(rng)
        self.add("trend", ar_noise(rng, n, float(rng.uniform(0, 0.7))) + np.linspace(0, rng.uniform(6, 30), n))
        n = a_length(rng)
        curve = np.linspace(0, 1, n) ** rng.uniform(0.5, 2.5) * rng.uniform(10, 200)
        self.add("smooth curve", 0.5 * ar_noise(rng, n, 0.8) + curve)
        n = a_length(rng, 25)
        cut = cuts_of(rng, n, 2)
        trend = np.linspace(0, rng.uniform(6, 20), n)
        self.add("trend and steps", ar_noise(rng, n) + trend + stairs(rng, n, cut, 5), cut)
        n = a_length(rng, 30)
        cut = cuts_of(rng, n, 2, n // 6)
        self.add("kinks", ar_noise(rng, n, float(rng.uniform(0, 0.7))) + kinked(rng, n, cut, 25), (), cut)
        n = a_length(rng, 40)
        cut = cuts_of(rng, n, 2, n // 6)
        self.add("smooth kinks", ar_noise(rng, n, 0.5) + kinked(rng, n, cut, 150), (), cut)
        n = a_length(rng, 60, 300)
        pattern = rng.uniform(1, 3) * seasons(rng, n, int(rng.choice([4, 12])))
        self.add("seasons and a trend", ar_noise(rng, n, 0.5) + pattern + np.linspace(0, rng.uniform(10, 60), n))
        n = a_length(rng, 30)
        cut = cuts_of(rng, n, 1)
        wider = np.where(np.arange(n) < cut[0], 1, rng.uniform(2, 5))
        self.add("variance", ar_noise(rng, n) * wider, (), cut)
        n = a_length(rng, 40, 300)
        cut = cuts_of(rng, n, 1, n // 5)
        ramp = np.clip((np.arange(n) - cut[0]) / max(4, n // int(rng.integers(8, 20))), 0, 1) * rng.uniform(8, 25)
        self.add("short ramp", ar_noise(rng, n, 0.3) + ramp, cut)


def draw_series(rng: np.random.Generator) -> dict[str, Drawn]:
    """Return a series of each family."""
    drawer = Drawer(rng)
    drawer.add_noise()
    drawer.add_steps()
    drawer.add_trends()
    return drawer.drawn


def score(find: Callable[[Drawn], Sequence[int]], repeats: int, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Return the mean F1 and the mean covering of the steps that are said, by family."""
    scores: dict[str, list[tuple[float, float]]] = {}
    for number in range(repeats):
        rng = np.random.default_rng([seed, number])
        for family, drawn in draw_series(rng).items():
            marks = drawn.annotate(rng)
            places = find(drawn)
            scores.setdefault(family, []).append((f1_score(marks, places), covering(marks, places, len(drawn.values))))
    return {
        family: (float(np.mean(pairs, axis=0)[0]), float(np.mean(pairs, axis=0)[1])) for family, pairs in scores.items()
    }


def mean_of(scores: dict[str, tuple[float, float]]) -> tuple[float, float]:
    """Return the means over families."""
    f1, cover = np.mean(list(scores.values()), axis=0)
    return float(f1), float(cover)


def confirmed_steps(drawn: Drawn) -> list[int]:
    """Return the steps of a series that are confirmed."""
    track = find_change_points(a_series(drawn.values, drawn.metric), {})
    return [change.place for change in track.changes if change.state is State.CONFIRMED]


def track_of(heights: Floats, width: float = WIDTH) -> Track:
    """Return what is found in a series of times whose logarithms are heights in widths of the noise."""
    return find_change_points(a_series(11_000 * np.exp(width * heights)), {})


def share_of(tracks: Sequence[Track], is_so: Callable[[Track], bool]) -> str:
    """Return in how many series something is so, in per cent."""
    return f"{100 * sum(map(is_so, tracks)) / len(tracks):.1f} %"


def rates_table(series: int) -> list[str]:
    """Return how often steps and drifts are confirmed in noise, and how often drifts are where there is one."""
    lines = [
        "| series | steps confirmed | drifts confirmed | drifts suspected or confirmed |",
        "| --- | ---: | ---: | ---: |",
    ]

    def add(name: str, make: Callable[[int], Floats], width: float = WIDTH) -> None:
        tracks = [track_of(make(seed), width) for seed in range(series)]
        steps = share_of(tracks, lambda track: any(one.state is State.CONFIRMED for one in track.changes))
        drifts = share_of(tracks, lambda track: any(one.state is State.CONFIRMED for one in track.drifts))
        lines.append(f"| {name} | {steps} | {drifts} | {share_of(tracks, lambda track: bool(track.drifts))} |")

    for points in (15, 30, 60, 100):
        for share in (0, 0.5, 0.8, 0.95):
            what = f"{points} points of AR(1) noise, {share}" if share else f"{points} points of white noise"
            add(what, lambda seed, n=points, r=share: drawn_series(seed, n, share=r))
    for points, tails in ((12, 3), (40, 3), (40, 1.5), (100, 3)):
        add(f"{points} points of t{tails} noise", lambda seed, n=points, t=tails: drawn_series(seed, n, tails=t))
    for width in (WIDTH, 0.05):
        for share in (0, 0.5, 0.8):
            add(
                f"+50 % over 30 points, noise of {100 * width:.0f} %, AR(1) {share}",
                lambda seed, r=share, w=width: drawn_series(seed, 30, share=r) + np.linspace(0, np.log(1.5) / w, 30),
                width,
            )
    return lines


def scores_table(repeats: int) -> list[str]:
    """Return how well confirmed steps agree with annotators."""
    said, none = (score(find, repeats, seed=1) for find in (confirmed_steps, lambda _: ()))
    lines = ["| family | F1 | covering | F1 of no step | covering of no step |", "| --- | ---: | ---: | ---: | ---: |"]
    for family, (f1, cover) in said.items():
        lines.append(f"| {family} | {f1:.2f} | {cover:.2f} | {none[family][0]:.2f} | {none[family][1]:.2f} |")
    (f1, cover), (f1_none, cover_none) = mean_of(said), mean_of(none)
    return [*lines, f"| **all** | {f1:.3f} | {cover:.3f} | {f1_none:.3f} | {cover_none:.3f} |"]


def main() -> None:
    """Write the tables of docs/statistics.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=60, help="series of each family")
    parser.add_argument("--series", type=int, default=500, help="series of each kind of noise")
    parser.add_argument("--table", type=Path, help="the document")
    options = parser.parse_args()
    for name, lines in (("annotated", scores_table(options.repeats)), ("rates", rates_table(options.series))):
        print("\n".join(lines), flush=True)
        if options.table:
            begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
            before, _, rest = options.table.read_text().partition(begin)
            options.table.write_text(before + begin + "\n".join(lines) + "\n" + end + rest.partition(end)[2])


if __name__ == "__main__":
    main()
