# SPDX-License-Identifier: MIT
"""The grammar of the conditions of a gate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.analysis.gate.condition import GRAMMAR, Condition, parse_condition
from stress.analysis.metric import METRICS
from stress.model.errors import UsageError

TIMES = [name for name, metric in METRICS.items() if metric.unit == "ns"]
INEXACT = "which no measurement has; use <= or >= with a comparison to the baseline."
FINITE = st.floats(allow_nan=False, allow_infinity=False)
UNSIGNED = st.floats(min_value=0, allow_infinity=False)


def refusal(expr):
    """Return why an expression is refused, None when it is not."""
    try:
        parse_condition(expr)
    except UsageError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("expr", "condition", "text"),
    [
        ("body.p99 <= 1.10x", Condition("body.p99", "<=", "ratio", 1.1), "body.p99 <= 1.1x"),
        ("rate>=0.95x", Condition("rate", ">=", "ratio", 0.95), "rate >= 0.95x"),
        ("  errors  ==  0  ", Condition("errors", "==", "absolute", 0), "errors == 0"),
        ("unbalanced != 3", Condition("unbalanced", "!=", "absolute", 3), "unbalanced != 3"),
        ("rate > 20000.5", Condition("rate", ">", "absolute", 20000.5), "rate > 20000.5"),
        ("body.p50 < 700", Condition("body.p50", "<", "absolute", 700), "body.p50 < 700 ns"),
        ("body.p50 < 700ns", Condition("body.p50", "<", "absolute", 700), "body.p50 < 700 ns"),
        ("body.p50 < 7.5us", Condition("body.p50", "<", "absolute", 7500), "body.p50 < 7.5 µs"),
        ("body.p50 < 7.5 µs", Condition("body.p50", "<", "absolute", 7500), "body.p50 < 7.5 µs"),
        ("body.p50 < 7.5 \u03bcs", Condition("body.p50", "<", "absolute", 7500), "body.p50 < 7.5 µs"),
        ("body.max <= 1.1 ms", Condition("body.max", "<=", "absolute", 1_100_000), "body.max <= 1.1 ms"),
        ("body.max <= 2s", Condition("body.max", "<=", "absolute", 2e9), "body.max <= 2 s"),
        ("body.p99 <= +5ms", Condition("body.p99", "<=", "difference", 5e6), "body.p99 <= +5 ms"),
        ("body.p99 >= -5", Condition("body.p99", ">=", "difference", -5), "body.p99 >= -5 ns"),
        ("errors <= +0", Condition("errors", "<=", "difference", 0), "errors <= +0"),
        ("rate >= -20%", Condition("rate", ">=", "relative", -0.2), "rate >= -20%"),
        ("body.p99 <= +7.5 %", Condition("body.p99", "<=", "relative", 0.075), "body.p99 <= +7.5%"),
        ("cause.closewait >= 1", Condition("cause.closewait", ">=", "absolute", 1), "cause.closewait >= 1"),
    ],
)
def test_a_condition_is_read_and_written(expr, condition, text):
    assert parse_condition(expr) == condition
    assert str(condition) == text
    assert parse_condition(text) == condition


@pytest.mark.parametrize(
    "expr",
    [
        "",
        " ",
        "body.p99",
        "<= 5",
        "body.p99 <=",
        "body.p99 5",
        "body.p99 = 5",
        "body.p99 =< 5",
        "body.p99 <> 5",
        "body.p99 <= nan",
        "body.p99 <= inf",
        "body.p99 <= -inf",
        "body.p99 <= five",
        "body.p99 <= 1e3",
        "body.p99 <= 1_000",
        "body.p99 <= .5x",
        "body.p99 <= 5.",
        "body.p99 <= 0x10",
        "body.p99 <= + 5",
        "body.p99 <= ++5",
        "body.p99 <= 5 5",
        "body.p99 <= \u0665",  # a digit, but of another script
        "body.p99 <= 5 ms and errors == 0",
    ],
)
def test_what_does_not_follow_the_grammar_is_refused(expr):
    with pytest.raises(UsageError) as caught:
        parse_condition(expr)
    assert str(caught.value) == f"{expr!r} is no condition; {GRAMMAR}."


@pytest.mark.parametrize("value", ["5 parsecs", "5 min", "5mss", "20%", "5%%", "+1.1x", "-1.1x", "1.1xx"])
def test_a_value_that_is_none_is_refused(value):
    with pytest.raises(UsageError) as caught:
        parse_condition(f"body.p99 <= {value}")
    assert str(caught.value) == f"{f'body.p99 <= {value}'!r} has no value that can be read; {GRAMMAR}."


@pytest.mark.parametrize(
    ("expr", "sentence"),
    [
        ("errors == 5 ms", "'errors == 5 ms' gives a unit of time, but errors is a count; leave out ms."),
        ("rate >= 5s", "'rate >= 5s' gives a unit of time, but rate is /s; leave out s."),
        (
            "retries_per_million <= +5us",
            "'retries_per_million <= +5us' gives a unit of time, but retries_per_million is per million; leave out us.",
        ),
        ("body.p99 == 1.00x", f"'body.p99 == 1.00x' asks for an exact ratio value, {INEXACT}"),
        ("errors != +5", f"'errors != +5' asks for an exact difference value, {INEXACT}"),
        ("errors == +5%", f"'errors == +5%' asks for an exact relative value, {INEXACT}"),
    ],
)
def test_a_value_that_does_not_go_with_its_metric_is_refused(expr, sentence):
    with pytest.raises(UsageError) as caught:
        parse_condition(expr)
    assert str(caught.value) == sentence


def test_an_unknown_metric_is_refused_and_the_closest_named():
    with pytest.raises(UsageError, match=r"^There is no metric 'body\.p98'; did you mean body\.p99\?$"):
        parse_condition("body.p98 <= 1.10x")


def test_a_number_beyond_all_numbers_is_refused():
    expr = f"body.p99 <= {'9' * 300}s"
    assert parse_condition(f"errors <= {'9' * 300}").value == 1e300
    with pytest.raises(UsageError) as caught:
        parse_condition(expr)
    assert str(caught.value) == f"{expr!r} has a number that is too large."


CONDITIONS = st.one_of(
    st.builds(
        Condition,
        st.sampled_from(list(METRICS)),
        st.sampled_from(["<=", "<", ">=", ">", "==", "!="]),
        st.just("absolute"),
        UNSIGNED,
    ),
    st.builds(
        Condition, st.sampled_from(list(METRICS)), st.sampled_from(["<=", "<", ">=", ">"]), st.just("ratio"), UNSIGNED
    ),
    st.builds(
        Condition,
        st.sampled_from(list(METRICS)),
        st.sampled_from(["<=", "<", ">=", ">"]),
        st.sampled_from(["difference", "relative"]),
        FINITE,
    ),
)


@given(CONDITIONS)
def test_every_condition_comes_back_from_its_text(condition):
    assert parse_condition(str(condition)) == condition


@given(st.text())
def test_any_text_is_read_or_refused_with_words(text):
    assert refusal(text) != ""


@given(
    st.sampled_from([*METRICS, "body.p98", ""]),
    st.sampled_from(["<=", "==", "=", "<", ""]),
    st.sampled_from(["", "+", "-", "--"]),
    st.one_of(st.integers(min_value=0).map(str), FINITE.map(str)),
    st.sampled_from(["", "x", "%", "ms", "ns", "µs", "h"]),
)
def test_what_looks_like_a_condition_is_read_or_refused_with_words(name, op, sign, number, unit):
    assert refusal(f"{name} {op} {sign}{number}{unit}") != ""
