# SPDX-License-Identifier: MIT
"""Drifts, series of two levels, steps that go away, busy points, and what changed together with a series."""

from dataclasses import replace

import numpy as np
import pytest
from history_builders import a_point, a_series, drawn_series, levels, noise, times
from msgspec.structs import replace as changed

from stress.analysis.history.change import Direction, Kind, State
from stress.analysis.history.change_point import find_change_points
from stress.analysis.history.difference import differences_at
from stress.analysis.history.history import History, accept_changes
from stress.analysis.history.lines import fit_lines
from stress.view.text.history_wording import differences_text, history_headline

SEEDS = 60


def track_of(heights, name="body.p50", accepted=None, threshold=0.05):
    return find_change_points(a_series(times(heights), name), accepted or {}, threshold)


def drifting(seed, points=30, share=0.0, total=1.5):
    """Return heights in widths that lead to a multiple."""
    return drawn_series(seed, points, share=share) + np.linspace(0, np.log(total) / 0.02, points)


def confirmed(changes):
    return [change for change in changes if change.state is State.CONFIRMED]


@pytest.mark.parametrize("share", [0, 0.5, 0.8])
def test_a_drift_of_half_is_found_and_is_no_step(share):
    tracks = [track_of(drifting(seed, share=share)) for seed in range(SEEDS)]
    assert sum(bool(confirmed(track.drifts)) for track in tracks) / SEEDS >= 0.9
    assert sum(bool(confirmed(track.changes)) for track in tracks) / SEEDS <= 0.05


@pytest.mark.parametrize(("share", "most"), [(0, 0.02), (0.5, 0.02), (0.8, 0.05), (0.95, 0.1)])
def test_noise_does_not_drift(share, most):
    false = sum(bool(confirmed(track_of(drawn_series(seed, 30, share=share)).drifts)) for seed in range(SEEDS))
    assert false / SEEDS <= most


def test_a_step_is_no_drift():
    heights = [drawn_series(seed, 40, tails=3) + levels((20, 0), (20, 6)) for seed in range(SEEDS)]
    assert not any(track_of(height).drifts for height in heights)


def test_a_drift_says_where_it_begins_and_how_far_it_leads():
    heights = drawn_series(1, 80) + np.concatenate([np.zeros(40), np.linspace(0, 25, 40)])
    track = track_of(heights)
    (drift,) = track.drifts
    assert (drift.kind, drift.state, drift.direction) == (Kind.DRIFT, State.CONFIRMED, Direction.REGRESSED)
    assert drift.place == pytest.approx(40, abs=6)
    assert drift.last == 79
    assert drift.after / drift.before == pytest.approx(np.exp(0.5), rel=0.1)
    assert track.open_regressions == [drift]
    assert track_of(-heights, "rate").open_regressions
    assert not track_of(-heights).open_regressions
    assert "confirmed drift" in history_headline([track])


def test_a_step_on_a_drift_is_a_step():
    heights = drifting(2, 60) + levels((30, 0), (30, 15))
    track = track_of(heights)
    (step,) = confirmed(track.changes)
    assert step.place == pytest.approx(30, abs=1)
    assert confirmed(track.drifts)


def test_a_drift_is_accepted_as_far_as_it_has_come():
    heights = drifting(3, 30)
    track = track_of(heights)
    (entry,) = accept_changes(History((track,), ()), "00001d", "the disk fills")
    assert entry.at.endswith("00001d")
    accepted = track_of(heights, accepted={29: "the disk fills"})
    (drift,) = accepted.drifts
    assert (drift.state, drift.reason) == (State.ACCEPTED, "the disk fills")
    assert not accepted.open_regressions
    further = np.concatenate([heights, heights[-1] + np.linspace(0, 25, 40) + drawn_series(4, 40)])
    assert track_of(further, accepted={29: "the disk fills"}).open_regressions


def test_a_series_that_flips_between_two_levels_has_no_steps():
    for seed in range(10):
        track = track_of(drawn_series(seed, 80) + np.resize(levels((10, 0), (10, 6)), 80))
        assert track.two_levels is not None
        assert not track.changes
        assert not track.drifts
        assert track.two_levels.flips == pytest.approx(range(10, 80, 10), abs=1)
        assert track.two_levels.high / track.two_levels.low == pytest.approx(np.exp(0.12), rel=0.03)
        assert "1 of them at two levels" in history_headline([track])


def test_steps_noise_and_two_steps_are_no_two_levels():
    for seed in range(10):
        for heights in (
            drawn_series(seed, 40, tails=3),
            drawn_series(seed, 40, tails=3) + levels((20, 0), (20, 5)),
            drawn_series(seed, 60) + levels((20, 0), (20, 6), (20, 0)),
            drawn_series(seed, 80) + levels((20, 0), (20, 6), (20, 12), (20, 5)),
        ):
            assert track_of(heights).two_levels is None


@pytest.mark.parametrize("height", [9, -9])
def test_a_step_that_goes_away_is_shown_and_is_no_alarm(height):
    track = track_of(drawn_series(5, 60) + levels((30, 0), (6, height), (24, 0)))
    assert [change.went_away for change in confirmed(track.changes)] == [True, True]
    assert not track.open_regressions
    stays = track_of(drawn_series(5, 60) + levels((30, 0), (6, 9), (24, 6)))
    assert stays.open_regressions
    late = track_of(drawn_series(5, 90) + levels((30, 0), (30, -9), (30, 0)))
    assert [change.went_away for change in confirmed(late.changes)] == [False, False]
    assert len(late.open_regressions) == 1


def test_busy_points_are_left_out_of_times_only():
    heights = drawn_series(6, 40)
    busy = {8, 9, 10, 11, 12, 39}
    heights[[*busy]] += 15
    series = a_series(times(heights))
    marked = [changed(point, busy=int(place in busy)) for place, point in enumerate(series.points)]
    assert find_change_points(series, {}).changes
    track = find_change_points(replace(series, points=tuple(marked)), {})
    assert not track.changes
    assert [(segment.first, segment.last) for segment in track.segments] == [(0, 40)]
    counts = a_series(100 * levels((8, 5), (5, 200), (27, 5)), "errors_per_million")
    marked = [changed(point, busy=1) for point in counts.points]
    assert find_change_points(replace(counts, points=tuple(marked)), {}).changes


def test_steps_keep_their_places_where_busy_points_are_left_out():
    heights = drawn_series(7, 60) + levels((30, 0), (30, 8))
    series = a_series(times(heights))
    marked = tuple(changed(point, busy=int(place % 7 == 0)) for place, point in enumerate(series.points))
    (step,) = find_change_points(replace(series, points=marked), {}).changes
    assert step.place == pytest.approx(30, abs=1)
    all_busy = tuple(changed(point, busy=1) for point in series.points)
    assert find_change_points(replace(series, points=all_busy), {}).segments


def test_what_changed_with_a_step_is_said():
    heights = times(drawn_series(8, 40) + levels((20, 0), (20, 9)))
    facts = [{"kernel": "6.12", "tcp_tw_reuse": "2"}, {"kernel": "6.18", "tcp_tw_reuse": "2", "new": "1"}]
    points = tuple(a_point(place, value, facts=facts[place >= 20]) for place, value in enumerate(heights))
    series = replace(a_series(heights), points=points)
    (step,) = find_change_points(series, {}).changes
    assert [(one.what, one.before, one.after, one.place) for one in differences_at(series, step)] == [
        ("kernel", "6.12", "6.18", 20)
    ], "what was not recorded before may be the same"
    assert differences_text(series, step).startswith("kernel 6.12 → 6.18")
    assert not differences_at(a_series(heights), step)


def test_lines_are_straight_where_nothing_else_is_seen():
    rng = np.random.default_rng(9)
    flat, sloped = (fit_lines(noise(rng, 50) + line, 0.01).stretches for line in (np.zeros(50), np.arange(50.0)))
    assert [stretch.is_sloped for stretch in flat] == [False]
    assert [stretch.is_sloped for stretch in sloped] == [True]
    assert sloped[0].end - sloped[0].begin == pytest.approx(49, abs=3)
    assert fit_lines(np.array([1.0]), 0.01).stretches[0].begin == 1.0
