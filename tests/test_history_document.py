# SPDX-License-Identifier: MIT
"""What the page of a history says as the terminal does: a busy machine, series that are too short, two levels."""

from dataclasses import replace

from history_builders import a_series, drawn_series, times

from stress.analysis.history.change import TwoLevels
from stress.analysis.history.change_point import find_change_points
from stress.analysis.history.history import History
from stress.view.page.history_document import history_document


def document_of(*tracks):
    return history_document(History(tracks, ()), "results", "connstorm history results")


def test_a_busy_machine_is_said_in_red():
    quiet, busy = (find_change_points(a_series([11_000.0] * 9, busy=busy), {}) for busy in (0, 1))
    assert document_of(quiet).notices == ()
    (notice,) = document_of(busy).notices
    assert (notice.word, notice.grave) == ("busy machine", True)
    assert notice.text == "9 points of times not looked at: the machine was busy."


def test_two_points_are_said_to_show_nothing():
    document = document_of(find_change_points(a_series([1.0, 2.0]), {}))
    assert document.verdict == "Too few points to show anything: a change takes three on either side."
    assert any(text.startswith("2 points can show nothing: a step is suspected from 4") for text in document.details)


def test_a_series_that_flips_says_so_and_names_both_levels():
    track = find_change_points(a_series(times(drawn_series(1, 30))), {})
    document = document_of(replace(track, two_levels=TwoLevels(11_000.0, 15_000.0, (4, 9))))
    assert "body p50 of closewait flips between two levels, 11 µs and 15 µs (2 times); no flip is a step." in (
        document.details
    )
