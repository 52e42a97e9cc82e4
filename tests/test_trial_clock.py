# SPDX-License-Identifier: MIT
"""How long a trial has been running in a guest, where nobody can see how far it is."""

import threading

import pytest

from stress.suite.executor import trial_clock


@pytest.mark.parametrize(
    ("elapsed_s", "expected_s", "text"),
    [
        (20, 65, "in its guest for 20 s, about 45 s left"),
        (130, 65, "in its guest for 2 min 10 s, 1 min 05 s were expected"),
        (20, None, "in its guest for 20 s"),
    ],
)
def test_it_says_how_long_and_how_much_longer(elapsed_s, expected_s, text):
    assert trial_clock.running_text(elapsed_s, expected_s) == text


def test_it_tells_until_the_trial_is_over(monkeypatch):
    monkeypatch.setattr(trial_clock, "INTERVAL_S", 0.01)
    told, twice = [], threading.Event()

    def watch(text):
        told.append(text)
        if len(told) == 2:
            twice.set()

    with trial_clock.tell_time(watch, None):
        assert twice.wait(60)
    assert told[0] == "in its guest for 0 s"
    assert told[-1] == ""
