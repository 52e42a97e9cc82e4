# SPDX-License-Identifier: MIT
"""Durations as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.model.units import duration_text, kernel_text

SIZES_NS = {"ns": 1, "µs": 10**3, "ms": 10**6, "s": 10**9}


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0 ns"),
        (1, "1 ns"),
        (999, "999 ns"),
        (999.6, "1 µs"),
        (1000, "1 µs"),
        (7420, "7.42 µs"),
        (7424.9, "7.42 µs"),
        (999_499, "999 µs"),
        (999_500, "1 ms"),
        (12_345_678, "12.3 ms"),
        (999_500_000, "1 s"),
        (2_040_000_000, "2.04 s"),
        (131_000_000_000, "131 s"),
        (-7420, "-7.42 µs"),
    ],
)
def test_three_digits_and_the_unit(duration_ns, text):
    assert duration_text(duration_ns) == text


@given(st.floats(0.5, 999e9))
def test_the_text_is_the_duration_to_half_a_percent(duration_ns):
    number, unit = duration_text(duration_ns).split(" ")
    assert float(number) * SIZES_NS[unit] == pytest.approx(duration_ns, rel=0.005, abs=0.5)
    assert float(number) < 1000


@pytest.mark.parametrize(("seconds", "text"), [(1000, "1000 s"), (1234, "1234 s"), (3600, "3600 s")])
def test_more_than_a_thousand_seconds_are_still_written_out(seconds, text):
    assert duration_text(seconds * 10**9) == text


@pytest.mark.parametrize(("jiffy_ns", "rate"), [(1_000_000, 1000), (3_333_333, 300), (4_000_000, 250)])
def test_a_kernel_is_its_release_and_its_tick_rate(jiffy_ns, rate):
    assert kernel_text("6.12.9", jiffy_ns) == f"Linux 6.12.9, HZ={rate}"
