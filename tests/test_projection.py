# SPDX-License-Identifier: MIT
"""Which stored runs are compared with which: dimensions, filters, rows and columns, and refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored import a_document, a_suite

from stress.analysis.comparison.arm_pair import pair_arms
from stress.analysis.comparison.comparability import differences, explain_evidence, explain_refusals
from stress.analysis.comparison.dimension import dimension_value, natural_key, resolve_dimension
from stress.analysis.comparison.projection import (
    choose_projection,
    explain_hidden_differences,
    filter_runs,
    parse_filter,
    project_runs,
)
from stress.analysis.metric import find_metric
from stress.model.errors import UsageError
from stress.store.runs import read_arm


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return the runs of two kernels, two settings and two scenarios, two trials each."""
    home = tmp_path_factory.mktemp("suites")
    observations = []
    for kernel in ("6.1.9", "6.12.3"):
        trials = {
            f"{scenario} tcp_tw_reuse={reuse}": [
                a_document(kernel=kernel, settings={"net.ipv4.tcp_tw_reuse": reuse}) for _ in range(2)
            ]
            for scenario in ("clean", "closewait")
            for reuse in ("0", "2")
        }
        observations += read_arm(f"{kernel}={a_suite(home / kernel, trials, suite_id=kernel)}")
    return observations


def names(rows):
    return [(row.name, list(row.columns)) for row in rows]


def test_cells_make_rows_and_arms_columns(runs):
    by = choose_projection(runs, (), ())
    rows = project_runs(runs, by)
    assert names(rows) == [
        (f"{scenario} tcp_tw_reuse={reuse}", ["6.1.9", "6.12.3"])
        for scenario in ("clean", "closewait")
        for reuse in ("0", "2")
    ]
    assert explain_hidden_differences(rows, by) == []


def test_a_setting_makes_columns_and_the_rest_makes_rows(runs):
    by = choose_projection(runs, (), ("tcp_tw_reuse",))
    assert names(project_runs(runs, by)) == [
        (f"{scenario} kernel={kernel}", ["tcp_tw_reuse=0", "tcp_tw_reuse=2"])
        for kernel in ("6.1.9", "6.12.3")
        for scenario in ("clean", "closewait")
    ]


def test_the_base_is_what_the_user_says(runs):
    by = choose_projection(runs, ("scenario",), ("kernel",))
    assert names(project_runs(runs, by))[0] == ("clean", ["kernel=6.1.9", "kernel=6.12.3"])
    for base in ("6.12.3", "kernel=6.12.3"):
        assert names(project_runs(runs, by, base))[0] == ("clean", ["kernel=6.12.3", "kernel=6.1.9"])
    with pytest.raises(UsageError, match=r"no column '7\.0' to compare with; there are kernel=6\.1\.9, "):
        project_runs(runs, by, "7.0")


def a_swept_suite(tmp_path, *, usual="1"):
    """Return the runs of a suite whose baseline is neither the first nor the last value of its axis."""
    values = {usual: f"tcp_timestamps={usual}"} | {
        other: f"tcp_timestamps={other}" for other in "012" if other != usual
    }
    trials = {
        f"{scenario}{'' if value == usual else f' {text}'}": [a_document(settings={"net.ipv4.tcp_timestamps": value})]
        for scenario in ("clean", "closewait")
        for value, text in values.items()
    }
    return read_arm(str(a_suite(tmp_path / "suite", trials)), "suite")


def test_the_baseline_of_the_suite_is_the_base(tmp_path):
    runs = a_swept_suite(tmp_path)
    columns = [f"tcp_timestamps={value}" for value in "102"]
    by = choose_projection(runs, (), ("timestamps",))
    assert names(project_runs(runs, by)) == [("clean", columns), ("closewait", columns)]
    columns.sort()
    assert names(project_runs(runs, by, "0")) == [("clean", columns), ("closewait", columns)]


def test_a_row_without_a_baseline_takes_that_of_the_others(tmp_path):
    runs = [run for run in a_swept_suite(tmp_path) if run.cell != "closewait"]
    rows = project_runs(runs, choose_projection(runs, (), ("tcp_timestamps",)))
    assert names(rows)[1] == ("closewait", ["tcp_timestamps=0", "tcp_timestamps=2"])


def test_the_cells_of_one_suite_are_compared_with_its_baseline(tmp_path):
    runs = a_swept_suite(tmp_path)
    by = choose_projection(runs, (), ())
    assert names(project_runs(runs, by)) == [
        (scenario, [scenario, f"{scenario} tcp_timestamps=0", f"{scenario} tcp_timestamps=2"])
        for scenario in ("clean", "closewait")
    ]


def test_what_varies_within_a_column_is_said(runs):
    by = choose_projection(runs, ("scenario",), ("tcp_tw_reuse",))
    assert explain_hidden_differences(project_runs(runs, by), by) == [
        "kernel varies within what is compared (6.1.9, 6.12.3); name it in --rows or --cols, or choose with --filter"
    ]
    chosen = filter_runs(runs, ["kernel=6.1.*"])
    assert explain_hidden_differences(project_runs(chosen, by), by) == []


def test_arms_of_one_cell_each_make_one_row(tmp_path):
    suite = a_suite(tmp_path / "suite", {"clean a": [a_document()], "clean b": [a_document(plan={"mines": 5})]})
    runs = read_arm(f"a={suite}#clean a") + read_arm(f"b={suite}#clean b")
    assert names(project_runs(runs, choose_projection(runs, (), ()))) == [("", ["a", "b"])]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("kernel=6.1.9", {"6.1.9"}),
        ("kernel=6.1*", {"6.1.9", "6.12.3"}),
        ("kernel!=6.1.9", {"6.12.3"}),
        ("kernel=6.1.9, 6.12.3", {"6.1.9", "6.12.3"}),
        ("cell=*reuse=2", {"6.1.9", "6.12.3"}),
    ],
)
def test_filters(runs, text, kept):
    assert {run.host.kernel for run in filter_runs(runs, [text])} == kept


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kernel", "is no filter; write KEY=VALUE"),
        ("=6.1", "is no filter"),
        ("kernle=6.1", "nothing called 'kernle'.*did you mean kernel"),
        ("tw_rouse=1", "did you mean tcp_tw_reuse"),
        ("retries=1", r"'retries' may be net\.ipv4\.tcp_syn_retries or net\.ipv4\.tcp_synack_retries; give more of"),
        ("kernel=5.*", r"No run passes --filter 'kernel=5\.\*'; kernel is 6\.1\.9, 6\.12\.3"),
    ],
)
def test_filters_that_cannot_be(runs, text, sentence):
    with pytest.raises(UsageError, match=sentence):
        filter_runs(runs, [text])


@given(st.text(max_size=30))
def test_any_text_is_a_filter_or_is_refused_with_a_sentence(text):
    try:
        parse_filter(text, [])
    except UsageError as error:
        assert str(error).strip().endswith((".", "?"))  # noqa: PT017  # whatever the text, there is a sentence


def test_every_dimension_has_a_value(runs):
    for name in ("label", "cell", "scenario", "kernel", "testbed", "program", "mines", "port_range", "tcp_tw_reuse"):
        assert dimension_value(runs[0], resolve_dimension(name, runs))
    assert dimension_value(runs[0], "port_range") == "40000-40007"
    assert dimension_value(runs[0], "backlog") == "none"


def test_numbers_are_in_the_order_of_numbers():
    assert sorted(["6.12", "6.1", "5.10"], key=natural_key) == ["5.10", "6.1", "6.12"]
    assert sorted(["10", "absent", "2"], key=natural_key) == ["absent", "2", "10"]


def test_arms_that_differ_in_more_are_refused_unless_that_is_named(runs):
    by = choose_projection(runs, (), ())
    rows = project_runs(runs, by)
    (sentence,) = explain_refusals(rows, by.cols, ())
    assert sentence.startswith("The arms differ in their kernel (clean tcp_tw_reuse=0: kernel 6.1.9 against 6.12.3")
    assert "--allow-diff kernel" in sentence
    assert explain_refusals(rows, by.cols, ("kernel",)) == []
    assert explain_refusals(project_runs(runs, choose_projection(runs, (), ("kernel",))), ("kernel",), ()) == []


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"plan": {"mines": 9}}, "plan", "mines 2 against 9"),
        (
            {"plan": {"sysctls": {"net.ipv4.tcp_timestamps": "0"}}, "settings": {"net.ipv4.tcp_timestamps": "0"}},
            "plan",
            "tcp_timestamps 1 against 0",
        ),
        ({"settings": {"net.ipv4.tcp_tw_reuse": "0"}}, "settings", "tcp_tw_reuse"),
        ({"kernel": "5.10.1"}, "kernel", "5.10.1"),
        ({"evidence": "kernel"}, "plan", "evidence counts against kernel"),
    ],
)
def test_differences_are_told_by_kind(tmp_path, changes, kind, words):
    a = read_arm(f"a={a_suite(tmp_path / 'a', {'clean': [a_document()]})}")
    b = read_arm(f"b={a_suite(tmp_path / 'b', {'clean': [a_document(**changes)]})}")
    (row,) = project_runs([*a, *b], choose_projection([*a, *b], (), ()))
    by_kind = differences(row, ("label",))
    assert set(by_kind) == {kind}
    assert words in by_kind[kind]


def test_evidence_is_what_a_run_had_not_what_it_asked_for(tmp_path):
    asked = {"plan": {"evidence": "kernel"}}
    trials = {"clean": [a_document(**asked), a_document(**asked, evidence="kernel")]}
    observations = read_arm(str(a_suite(tmp_path / "a", trials)))
    assert [dimension_value(run, "evidence") for run in observations] == ["counts", "kernel"]
    by = choose_projection(observations, (), ())
    (sentence,) = explain_hidden_differences(project_runs(observations, by), by)
    assert sentence.startswith("evidence varies within what is compared (counts, kernel)")


def test_arms_of_other_evidence_are_never_compared_silently(tmp_path):
    """Neither when the user allows plans to differ, nor when cells make the columns."""
    trials = {"clean": [a_document()], "clean evidence=kernel": [a_document(evidence="kernel")]}
    observations = read_arm(str(a_suite(tmp_path / "a", trials)))
    rows = project_runs(observations, choose_projection(observations, ("scenario",), ("cell",)))
    assert explain_refusals(rows, ("cell",), ()) == []
    (sentence,) = explain_evidence(rows)
    assert "causes were not proved by the same evidence (clean: evidence counts against kernel)" in sentence
    assert explain_evidence(project_runs(observations, choose_projection(observations, ("cell",), ("label",)))) == []


def test_blocks_of_a_suite_are_pairs_and_those_of_two_suites_are_not(tmp_path):
    first = a_suite(tmp_path / "a", {"x a": [a_document()] * 3, "x b": [a_document()] * 3})
    other = a_suite(tmp_path / "b", {"x a": [a_document()] * 3}, suite_id="other")
    a, b, c = read_arm(f"{first}#x a"), read_arm(f"{first}#x b"), read_arm(f"{other}#x a")
    assert pair_arms("", "a", "b", a, b).paired
    assert not pair_arms("", "a", "c", a, c).paired
    assert not pair_arms("", "a", "twice", a, [*b, *b]).paired


def test_times_of_trials_beside_others_are_not_compared(tmp_path):
    suite = a_suite(tmp_path / "a", {"x a": [a_document()], "x b": [a_document()]}, measures=False)
    pair = pair_arms("", "a", "b", read_arm(f"{suite}#x a"), read_arm(f"{suite}#x b"))
    assert pair.values(find_metric("body.p50")) == ({}, {})
    assert len(pair.values(find_metric("errors"))[0]) == 1


def test_times_on_an_emulated_machine_are_not_compared(tmp_path):
    suite = a_suite(tmp_path / "a", {"x a": [a_document()], "x b": [a_document(emulated=True)]})
    pair = pair_arms("", "a", "b", read_arm(f"{suite}#x a"), read_arm(f"{suite}#x b"))
    assert pair.values(find_metric("rate")) == ({}, {})
    assert len(pair.values(find_metric("band.2jiffies"))[1]) == 1
