# SPDX-License-Identifier: MIT
"""The picture of a gate in letters."""

from hypothesis import given
from hypothesis import strategies as st

from stress.analysis.gate.condition import parse_condition
from stress.analysis.gate.result import ConditionResult, State
from stress.view.text.gate_picture import LIMIT, LINES_MAX, NONE, WIDTH, column_of, gate_picture, line_text

PICTURE = """\
                                       no change   limit
body.p99 <= 1.1x clean                     :         |    x
rate >= 0.9x clean                       --o---      |
retries_per_million <= +20% all  <---------+----?----+------------------->
o holds, x broken, ? undecided; the line is the interval; beyond the picture: < and >"""


def a_result(expr, row, state, effect, low, high, limit, **changes):  # noqa: PLR0917  # a row of a table
    return ConditionResult(parse_condition(expr), row, state, effect=effect, low=low, high=high, limit=limit, **changes)


BROKEN = a_result("body.p99 <= 1.1x", "clean", State.BROKEN, 1.151, 1.15, 1.153, 1.1)


def test_changes_of_times_rates_and_counts_share_an_axis_in_limits():
    results = [
        BROKEN,
        a_result("rate >= 0.9x", "clean", State.HOLDS, 1.0, 0.97, 1.02, 0.9),
        a_result("retries_per_million <= +20%", "all", State.INCONCLUSIVE, 200.0, -900.0, 5_000.0, 400.0),
    ]
    assert gate_picture(results) == PICTURE


def test_what_has_no_change_or_asks_for_an_improvement_is_not_drawn():
    assert gate_picture([ConditionResult(parse_condition("cause.unknown == 0"), "clean", State.BROKEN)]) == ""
    assert gate_picture([a_result("body.p99 <= 0.9x", "clean", State.BROKEN, 1.0, 0.9, 1.1, 0.9, shifted=True)]) == ""


def test_many_conditions_are_counted_beyond_a_screen():
    assert "and 3 further conditions" in gate_picture([BROKEN] * (LINES_MAX + 3))


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), st.sampled_from("xo?"))
def test_a_line_has_one_width_and_its_mark_where_the_change_is(places, mark):
    low, effect, high = sorted(places)
    text = line_text((low, effect, high), mark)
    assert len(text) == WIDTH
    assert text.count(mark) == 1
    assert column_of(0) == NONE
    assert column_of(1) == LIMIT
