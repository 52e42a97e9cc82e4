# SPDX-License-Identifier: MIT
"""connstorm compare through the real command."""

import functools
import json

import pytest
from command import connstorm
from stored import FROZEN, a_document, a_suite, jittered
from test_calibrate import a_calibration

from stress.analysis.comparison.metric_family import GATING_METRICS, metric_families
from stress.analysis.comparison.pairs import compare_pairs
from stress.compare.arms import Question, compare_arms
from stress.compare.figures import draw_comparison, rows_to_draw
from stress.model.calibration import Noise
from stress.store import calibration as stored
from stress.store.runs import read_arm

compare = functools.partial(connstorm, "compare")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder with a suite, and one of its session in which a cell is slower and refused now and then."""
    folder = tmp_path_factory.mktemp("compare")
    for number, (name, clean) in enumerate({"base": {}, "new": {"p99": 30_000, "refused": 400}}.items()):
        cells = {"clean": jittered(14, **({"p99": 18_000} | clean)), "closewait": jittered(14, retried=20)}
        a_suite(folder / name, cells, first_block=14 * number)
    return folder


def verdicts(document):
    return {(row["row"], row["metric"]): row["verdict"] for row in document["comparisons"]}


def test_what_changed_is_found_and_nothing_else(home):
    ended = compare("base", "new", "--json", "--no-draw", cwd=home)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    by_metric = verdicts(document)
    changed = {key for key, verdict in by_metric.items() if verdict in ("regressed", "improved")}
    assert changed == {
        ("clean", "body.p99"),
        ("clean", "body.p999"),
        ("clean", "errors_per_million"),
        ("clean", "outcome.refused.per_million"),
    }
    assert by_metric["closewait", "band.2jiffies"] == "equivalent"
    assert {row["metric"] for row in document["comparisons"] if row["gating"]} == set(GATING_METRICS)
    assert document["warnings"] == []


def test_the_table_says_what_was_done(home):
    ended = compare("base", "new", "--no-draw", cwd=home)
    assert "new against base" in ended.stdout
    assert "corrected by Holm" in " ".join(ended.stdout.split())
    assert "body p99" in ended.stdout
    markdown = compare("base", "new", "--no-draw", "--markdown", cwd=home).stdout
    assert "🔴" in markdown
    assert "regressed" in markdown


def test_a_chosen_metric_is_all_that_is_looked_at(home):
    document = json.loads(compare("base", "new", "--metric", "body.p99", "--json", "--no-draw", cwd=home).stdout)
    assert set(verdicts(document)) == {("clean", "body.p99"), ("closewait", "body.p99")}
    assert all(row["gating"] for row in document["comparisons"])


def test_columns_can_be_anything_that_runs_differ_in(tmp_path):
    cells = {
        f"clean tcp_tw_reuse={reuse}": [
            a_document(p50=p50 + trial, settings={"net.ipv4.tcp_tw_reuse": reuse}) for trial in range(8)
        ]
        for reuse, p50 in (("0", 10_000), ("2", 20_000))
    }
    a_suite(tmp_path / "suite", cells)
    ended = compare(
        "suite", "--cols", "tcp_tw_reuse", "--base", "2", "--metric", "body.p50", "--json", "--no-draw", cwd=tmp_path
    )
    (comparison,) = json.loads(ended.stdout)["comparisons"]
    assert (comparison["base"], comparison["new"]) == ("tcp_tw_reuse=2", "tcp_tw_reuse=0")
    assert (comparison["row"], comparison["verdict"], comparison["paired"]) == ("clean", "improved", True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("base", "base"), "Two arms are called 'base'"),
        (("base",), "No row has two columns to compare"),
        (("base", "new", "--cols", "colour"), "nothing called 'colour'"),
        (("base", "new", "--metric", "body.p98"), "no metric 'body.p98'"),
        (("base", "new#dirty"), "has no cell 'dirty'"),
    ],
)
def test_wrong_use_is_one_sentence(home, arguments, sentence):
    ended = compare(*arguments, cwd=home)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""


def test_another_kernel_is_refused_unless_it_is_named(home, tmp_path):
    a_suite(tmp_path / "old", {"clean": [a_document(kernel="5.10.0")] * 2}, suite_id="old")
    ended = compare("old", home / "new", "--no-draw", cwd=tmp_path)
    assert ended.returncode == 2
    assert "--allow-diff kernel" in ended.stderr
    ended = compare("old", home / "new", "--allow-diff", "kernel", "--no-draw", cwd=tmp_path)
    assert ended.returncode == 0
    assert "closewait has no run in old" in ended.stderr


def test_no_threshold_lies_below_the_noise_of_the_machine(home, tmp_path):
    question = Question(arms=(f"base={home / 'base'}", f"new={home / 'new'}"), results=tmp_path)
    testbed = compare_arms(question).runs[0].host.testbed
    noise = {"body.p99": Noise(kind="ratio", floor=2.0, spread=0.5, median=18_000.0)}
    stored.write(tmp_path, a_calibration(testbed=testbed, scenarios={"clean": noise}))
    compared = compare_arms(question)
    assert compared.known.calibration is not None
    verdict = {
        (comparison.row, comparison.metric): comparison.verdict
        for comparison in compare_pairs(
            compared.pairs, metric_families(compared.runs, ["body.p99"]), compared.known.calibration
        )
    }
    assert verdict["clean", "body.p99"] == "equivalent"


def test_the_metrics_that_are_explored_are_those_that_occur(home):
    runs = read_arm(str(home / "new"))
    names = [metric.name for metric, _ in metric_families(runs)]
    assert "band.2jiffies" in names
    assert "band.1s" not in names
    assert "outcome.refused.per_million" in names
    assert "outcome.reset.per_million" not in names
    assert len(names) == len(set(names))


def test_the_rows_with_most_changes_are_drawn(home, tmp_path):
    compared = compare_arms(
        Question(arms=(f"base={FROZEN}#closewait", f"new={FROZEN}#closewait tcp_timestamps=0"), allowed=["plan"])
    )
    comparisons = compare_pairs(compared.pairs, metric_families(compared.runs))
    written = draw_comparison(comparisons, compared.pairs, tmp_path)
    assert [path.name for path in written] == ["forest.png", "latency.png", "shift.png", "ports.png"]
    assert all(path.stat().st_size > 1000 for path in written)
    without = compare_arms(Question(arms=(str(home / "base"), str(home / "new"))))  # no attempts were kept
    assert [path.name for path in draw_comparison([], without.pairs, tmp_path / "b")] == ["forest.png"]
    changes = compare_pairs(without.pairs, metric_families(without.runs))
    assert rows_to_draw(changes, without.pairs) == ["clean", "closewait"]
