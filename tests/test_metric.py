# SPDX-License-Identifier: MIT
"""Metrics that are made on demand: the ends of how many attempts a cause explains."""

import msgspec
import pytest
from builders import a_run, the_attempts

from stress.analysis.attribution.summary import analyse
from stress.analysis.metric import METRICS, find_metric
from stress.model.errors import UsageError
from stress.model.summary import Bound


def bounded(*bounds, **causes):
    summary = analyse(a_run(the_attempts((40000, 0, 0)))).summary
    return msgspec.structs.replace(summary, bounds=list(bounds), causes=summary.causes | causes)


def a_bound(cause, at_least, at_most, act="storm"):
    return Bound(act=act, cause=cause, at_least=at_least, at_most=at_most, of=138)


def test_the_ends_of_a_cause_are_what_is_named_and_what_is_bounded():
    bounds = [a_bound("accept_queue", 126, 138), a_bound("accept_queue", 0, 7, "second"), a_bound("closewait", 1, 2)]
    summary = bounded(*bounds, accept_queue=10, unknown=276)
    values = [find_metric(f"cause.accept_queue{end}").value(summary) for end in ("", ".at_least", ".at_most")]
    assert values == [10, 136, 155]


def test_what_is_unknown_and_not_bounded_may_have_any_cause():
    """No data is never a pass: with nothing but unknown attempts no condition on the upper end holds."""
    assert find_metric("cause.lost_on_the_way.at_most").value(bounded(unknown=5)) == 5
    assert find_metric("cause.lost_on_the_way.at_least").value(bounded(unknown=5)) == 0
    summary = bounded(a_bound("lost_on_the_way", 0, 12), unknown=140)
    assert find_metric("cause.lost_on_the_way.at_most").value(summary) == 12 + 2


EXPLAINING = [name for name in METRICS if name.startswith("cause.") and name not in ("cause.none", "cause.unknown")]


@pytest.mark.parametrize("name", EXPLAINING)
def test_without_bounds_both_ends_are_the_count(name):
    summary = bounded(closewait=3)
    for end in ("at_least", "at_most"):
        metric = find_metric(f"{name}.{end}")
        assert metric.value(summary) == METRICS[name].value(summary)
        assert (metric.unit, metric.better) == ("", METRICS[name].better)


@pytest.mark.parametrize(
    "name",
    [
        "cause.accept_queue.at_last",
        "cause.unknown.at_most",
        "cause.none.at_least",
        "cause.nothing.at_most",
        "errors.at_most",
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(UsageError, match="There is no metric"):
        find_metric(name)


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("p50", "did you mean body.p50?"),
        ("p99.9", "did you mean body.p999?"),
        ("body p50", "did you mean body.p50?"),  # as tables write it
        ("retries per million", "did you mean retries_per_million?"),
        ("closewait", "did you mean cause.closewait?"),
        ("body.p98", "did you mean body.p99?"),
    ],
)
def test_a_name_that_ends_a_metric_is_answered_with_it(name, suggestion):
    with pytest.raises(UsageError) as caught:
        find_metric(name)
    assert str(caught.value) == f"There is no metric {name!r}; {suggestion}"


def test_all_metrics_are_named_where_none_is_meant():
    with pytest.raises(UsageError, match=r"There is no metric 'zzz'; there are rate, .*\.$"):
        find_metric("zzz")
