# SPDX-License-Identifier: MIT
"""Exports as their consumers read them: the real ones where they are to be had from PyPI."""

import csv
import importlib.util
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from command import REPOSITORY, connstorm
from export_runs import a_real_run, variant
from hypothesis import given
from hypothesis import strategies as st

from stress.analysis.attribution.summary import analyse
from stress.cli.main import connstorm as connstorm_group
from stress.model.errors import StoreError, UsageError
from stress.store import run_folder
from stress.view.export import formats
from stress.view.export.attempt_table import COLUMNS, Attempts, tables
from stress.view.export.column import file_stem, stems
from stress.view.export.destination import output_file
from stress.view.export.formats.benchfmt import benchmark_name
from stress.view.export.formats.histogram_log import HIGHEST_NS, slots
from stress.view.export.formats.pytest_benchmark import stats
from stress.view.export.registry import FORMATS, load_formats

LATENCIES = ("body.p50", "body.p90", "body.p99", "body.p999", "body.max")
RETRIES = ("net.ipv4.tcp_syn_retries", ("3", "6"))
TRIALS = 3
OTAVA = Path(sys.executable).parents[1] / "otava/bin"  # make installs it there


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Three trials with each of two values of a setting."""
    made = tmp_path_factory.mktemp("results")
    setting, values = RETRIES
    for seed in range(TRIALS):
        for value in values:
            a_real_run(made / value, seed=seed, sysctls={setting: value})
    return made


@pytest.fixture(scope="module")
def trials(results):
    """Three trials of one cell."""
    return results / "6"


@pytest.fixture(scope="module")
def kernels(trials, tmp_path_factory):
    """The same runs, and copies of them from another kernel, half as slow again."""
    made = tmp_path_factory.mktemp("kernels")

    def older(document):
        document["host"]["kernel"] = "5.4.0"
        for quantile, value_ns in document["summary"]["body"].items():
            document["summary"]["body"][quantile] = value_ns * 3 // 2

    for run in sorted(trials.iterdir()):
        variant(run, made / "old", older)
        shutil.copytree(run, made / "new" / run.name)
    return [made / "old", made / "new"]


def exported(*arguments):
    """Run the verb in this process; return what it printed, or raise what it raised."""
    ended = CliRunner().invoke(connstorm_group, ["export", *map(str, arguments)], standalone_mode=False)
    if ended.exception is not None:
        raise ended.exception
    return ended.stdout_bytes


def summaries(path):
    return [run_folder.read_summary(run) for run in sorted(path.iterdir())]


def program(*arguments, **options):
    ended = subprocess.run(
        [str(argument) for argument in arguments], capture_output=True, text=True, check=False, **options
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_a_module_among_the_formats_registers_itself(tmp_path, monkeypatch):
    (tmp_path / "count_of_runs.py").write_text(
        "from stress.view.export.format import Format\n"
        "FORMATS = {'count': Format('.txt', 'a test', lambda column, metrics: b'%d' % len(column.runs))}\n"
    )
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    assert list(load_formats()) == [*FORMATS, "count"]


def test_every_format_has_one_way_to_write_and_a_line_in_the_documentation():
    page = (REPOSITORY / "docs/export.md").read_text()
    for name, entry in FORMATS.items():
        assert sum(way is not None for way in (entry.encode, entry.files, entry.write, entry.profile)) == 1, name
        assert f"`{name}`" in page


# pytest-benchmark


@given(st.lists(st.floats(1e-7, 1e3), min_size=1, max_size=30))
def test_statistics_are_those_of_pytest_benchmark(data):
    theirs = pytest.importorskip("pytest_benchmark.stats").Stats()
    for value in data:
        theirs.update(value)
    ours = stats(data)
    for field, value in theirs.as_dict().items():
        if field not in ("outliers", "stddev_outliers", "iqr_outliers"):  # a value on a fence may round either way
            assert ours[field] == pytest.approx(value, rel=1e-9, abs=1e-12), field


def test_kernels_are_columns_of_pytest_benchmark_compare(kernels, tmp_path):
    printed = exported(*kernels, "--format", "pytest-benchmark", "--columns", "kernel", "-o", tmp_path / "out")
    files = sorted((tmp_path / "out").iterdir())
    assert printed.decode().splitlines() == [str(file) for file in files]
    assert files[0].name == "0001_kernel-5.4.0.json"
    assert len(files) == 2
    fullnames = [{entry["fullname"] for entry in json.loads(file.read_text())["benchmarks"]} for file in files]
    assert fullnames[0] == fullnames[1]
    assert len(fullnames[0]) == len(LATENCIES)
    command = (sys.executable, "-m", "pytest_benchmark", "compare", *files)
    table = program(*command, "--between=min,median", "-k", "p50", cwd=tmp_path)
    assert "1 tests, 2 sources" in table
    assert "N/A" not in table
    medians = [
        next(entry["stats"]["median"] for entry in json.loads(file.read_text())["benchmarks"] if "p50" in entry["name"])
        for file in files
    ]
    assert f"{(medians[1] - medians[0]) / medians[0] * 100:+.1f}%" in table


def test_pytest_benchmark_draws_its_histogram_and_writes_its_csv(kernels, tmp_path):
    if importlib.util.find_spec("pygal") is None:  # to import it changes how everything after it is imported
        pytest.skip("pygal is not installed")
    exported(*kernels, "--format", "pytest-benchmark", "--columns", "kernel", "-o", tmp_path / "out")
    files = sorted((tmp_path / "out").iterdir())
    options = ("--histogram=picture", "--group-by=group", "--csv=table.csv")
    program(sys.executable, "-m", "pytest_benchmark", "compare", *files, *options, cwd=tmp_path)
    assert len(list(tmp_path.glob("picture*.svg"))) == len(LATENCIES)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text())))
    assert len(rows) == 2 * len(LATENCIES)
    assert {row["param:metric"] for row in rows} == set(LATENCIES)


def test_a_setting_makes_columns_and_leaves_the_names_alike(results, tmp_path):
    exported(
        results / "3", results / "6", "--format", "pytest-benchmark", "--columns", "tcp_syn_retries", "-o", tmp_path
    )
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["0001_tcp_syn_retries-3.json", "0002_tcp_syn_retries-6.json"]
    documents = [json.loads(file.read_text()) for file in files]
    names = [{benchmark["fullname"] for benchmark in document["benchmarks"]} for document in documents]
    assert names[0] == names[1]
    assert not any("retries=" in name for name in names[0])
    for document, value in zip(documents, ("3", "6"), strict=True):
        assert document["machine_info"]["sysctls"]["net.ipv4.tcp_syn_retries"] == value
        for benchmark in document["benchmarks"]:
            assert benchmark["stats"]["rounds"] == TRIALS
            assert benchmark["extra_info"]["attempts"] == TRIALS * 400
            assert benchmark["extra_info"]["median_over_trials"]["rate"] > 0


def test_each_datum_is_one_trial_in_seconds(trials):
    document = json.loads(exported(trials, "--format", "pytest-benchmark", "--metric", "body.p99"))
    (benchmark,) = document["benchmarks"]
    assert benchmark["stats"]["data"] == [summary.body.p99_ns / 1e9 for summary in summaries(trials)]


def test_what_is_no_time_is_no_benchmark(trials):
    with pytest.raises(UsageError, match="rate is no time"):
        exported(trials, "--format", "pytest-benchmark", "--metric", "rate")


# pyperf


def test_pyperf_loads_and_compares(kernels, tmp_path):
    pyperf = pytest.importorskip("pyperf")
    exported(f"old={kernels[0]}", f"new={kernels[1]}", "--format", "pyperf", "--columns", "label", "-o", tmp_path)
    old, new = tmp_path / "label-old.json", tmp_path / "label-new.json"
    suite = pyperf.BenchmarkSuite.load(str(new))
    assert len(suite.get_benchmarks()) == len(LATENCIES)
    for benchmark in suite.get_benchmarks():
        assert benchmark.get_nrun() == benchmark.get_nvalue() == TRIALS
        assert benchmark.get_unit() == "second"
        assert benchmark.get_metadata()["platform"].startswith("Linux-")
    (p50,) = (benchmark for benchmark in suite.get_benchmarks() if benchmark.get_name().endswith("body.p50"))
    assert p50.get_values() == tuple(summary.body.p50_ns / 1e9 for summary in summaries(kernels[1]))
    table = program(sys.executable, "-m", "pyperf", "compare_to", old, new)
    assert "body.p50" in table
    program(sys.executable, "-m", "pyperf", "stats", new)


# Go's benchmarks

UNIT_LINE = re.compile(r"Unit \S+ better=(lower|higher)")
KEY_LINE = re.compile(r"[a-z][^\sA-Z:]*:( .*)?")
RESULT_LINE = re.compile(r"Benchmark[^\sa-z]\S*-\d+ \d+( \S+ \S+)+")


def test_benchfmt_has_a_line_a_trial_with_the_settings_that_held(results):
    text = exported(results / "3", results / "6", "--format", "benchfmt").decode()
    lines = text.splitlines()
    held, parsed = {}, []
    for line in lines:
        if line.startswith("Benchmark"):
            assert RESULT_LINE.fullmatch(line)
            words = line.split()
            parsed.append(
                (held["net.ipv4.tcp_syn_retries"], words[0], dict(zip(words[3::2], words[2::2], strict=True)))
            )
        elif not UNIT_LINE.fullmatch(line):
            assert KEY_LINE.fullmatch(line), line
            key, _, value = line.partition(": ")
            held[key] = value
    assert sorted(value for value, _, _ in parsed) == ["3"] * TRIALS + ["6"] * TRIALS
    for (value, _, values), summary in zip(
        sorted(parsed, key=lambda entry: entry[0]), summaries(results / "3") + summaries(results / "6"), strict=True
    ):
        assert float(values["body.p99-ns"]) == summary.body.p99_ns, value
        assert float(values["rate/s"]) == pytest.approx(summary.rate_per_s)


@given(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1), st.integers(1, 999))
def test_a_name_for_go_is_one_word_that_ends_in_its_cpus(row, cpus):
    made = benchmark_name(row, cpus)
    assert re.fullmatch(r"Benchmark\S*", made)
    assert made.rpartition("-")[2] == str(cpus)


# What services take

BMF_SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "required": ["value"],
            "properties": {end: {"type": "number"} for end in ("value", "lower_value", "upper_value")},
            "additionalProperties": False,
        },
    },
}
GITHUB_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "unit", "value"],
        "properties": {
            "name": {"type": "string"},
            "unit": {"type": "string", "minLength": 1},
            "value": {"type": "number"},
            "range": {"type": "string"},
            "extra": {"type": "string"},
        },
        "additionalProperties": False,
    },
}
OTAVA_SCHEMA = {
    "type": "object",
    "required": ["tests"],
    "properties": {
        "tests": {
            "additionalProperties": {
                "type": "object",
                "required": ["type", "file", "time_column", "attributes", "metrics"],
                "properties": {
                    "type": {"const": "csv"},
                    "file": {"type": "string"},
                    "time_column": {"type": "string"},
                    "attributes": {"type": "array", "items": {"type": "string"}},
                    "metrics": {
                        "additionalProperties": {
                            "required": ["column", "direction"],
                            "properties": {"column": {"type": "string"}, "direction": {"enum": [-1, 0, 1]}},
                        }
                    },
                },
            }
        }
    },
}


def test_bencher_gets_the_median_and_its_interval(trials):
    document = json.loads(exported(trials, "--format", "bmf"))
    jsonschema.validate(document, BMF_SCHEMA)
    (row,) = document.values()
    values = [summary.body.p50_ns for summary in summaries(trials)]
    assert row["body.p50-ns"]["value"] == statistics.median(values)
    assert (row["body.p50-ns"]["lower_value"], row["body.p50-ns"]["upper_value"]) == (min(values), max(values))


def test_a_single_trial_has_no_interval(trials):
    (first, *_) = sorted(trials.iterdir())
    (row,) = json.loads(exported(first, "--format", "bmf")).values()
    assert set(row["body.p50-ns"]) == {"value"}


def test_github_action_benchmark_gets_each_metric_in_the_file_of_its_direction(trials):
    smaller, bigger = (json.loads(exported(trials, "--format", f"github-{entry}")) for entry in ("smaller", "bigger"))
    for document in (smaller, bigger):
        jsonschema.validate(document, GITHUB_SCHEMA)
    assert [entry["name"].rpartition(" ")[2] for entry in bigger] == ["rate"]
    assert {entry["name"].rpartition(" ")[2] for entry in smaller} >= set(LATENCIES)


def test_otava_gets_a_history_and_its_description(kernels, tmp_path):
    exported(*kernels, "--format", "otava", "-o", tmp_path)
    config = json.loads((tmp_path / "otava.yaml").read_text())
    jsonschema.validate(config, OTAVA_SCHEMA)
    ((_, described),) = config["tests"].items()
    rows = list(csv.DictReader(io.StringIO((tmp_path / described["file"]).read_text())))
    assert len(rows) == 2 * TRIALS
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert {row["kernel"] for row in rows} > {"5.4.0"}
    for metric, about in described["metrics"].items():
        assert about["direction"] == (1 if metric == "rate" else -1)
        assert all(float(row[about["column"]]) >= 0 for row in rows)


def test_otava_itself_analyses_it(kernels, tmp_path):
    otava = shutil.which("otava", path=f"{OTAVA}:{os.environ['PATH']}")
    if otava is None:
        pytest.skip("otava is not installed, so only the shape of its files is checked (pip install apache-otava)")
    exported(*kernels, "--format", "otava", "-o", tmp_path)
    (test,) = json.loads((tmp_path / "otava.yaml").read_text())["tests"]
    options = ("--config-file", "otava.yaml", "--since", "2000-01-01")
    printed = program(otava, "analyze", test, *options, cwd=tmp_path)
    assert "body.p99" in printed
    assert "5.4.0" in printed


# Attempts


def test_the_histogram_log_has_every_attempt_under_its_outcome(trials, tmp_path):
    hdrh = pytest.importorskip("hdrh.log")
    from hdrh.histogram import HdrHistogram

    file = tmp_path / "run.hlog"
    exported(trials, "--format", "hlog", "-o", file)
    reader = hdrh.HistogramLogReader(str(file), HdrHistogram(1, HIGHEST_NS, 3))
    histograms = {}
    while (histogram := reader.get_next_interval_histogram()) is not None:
        known = histograms.setdefault(histogram.get_tag(), HdrHistogram(1, HIGHEST_NS, 3))
        known.add(histogram)
    reader.close()
    outcomes = {}
    for summary in summaries(trials):
        for outcome, count in summary.outcomes.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count
    assert {tag: counts.get_total_count() for tag, counts in histograms.items()} == {
        k: v for k, v in outcomes.items() if v
    }
    body = np.concatenate(
        [np.concatenate([*analyse(run_folder.read(run)[0]).acts[0].body_parts()]) for run in sorted(trials.iterdir())]
    )
    reference = HdrHistogram(1, HIGHEST_NS, 3)
    for latency_ns in body.tolist():
        reference.record_value(latency_ns)
    for share in (1, 50, 90, 99, 100):
        assert histograms["connected"].get_value_at_percentile(share) == reference.get_value_at_percentile(share)


@given(st.lists(st.integers(1, HIGHEST_NS), min_size=1, max_size=50))
def test_slots_are_those_of_the_histogram(latencies):
    histogram_type = pytest.importorskip("hdrh.histogram").HdrHistogram
    theirs, ours = histogram_type(1, HIGHEST_NS, 3), histogram_type(1, HIGHEST_NS, 3)
    for value in latencies:
        theirs.record_value(value)
    for value, count in zip(*slots(np.array(latencies, np.int64)), strict=True):
        ours.record_value(value, count)
    for share in (0, 25, 50, 75, 90, 99, 100):
        assert ours.get_value_at_percentile(share) == theirs.get_value_at_percentile(share)
    assert ours.get_total_count() == len(latencies)


def test_csv_has_every_attempt_with_its_cause(trials):
    (first, *_) = sorted(trials.iterdir())
    run, summary = run_folder.read(first)
    rows = list(csv.DictReader(io.StringIO(exported(first, "--format", "csv").decode())))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == summary.attempts
    for column in ("outcome", "cause"):
        counted = {value: sum(row[column] == value for row in rows) for value in {row[column] for row in rows}}
        assert counted == {value: count for value, count in getattr(summary, f"{column}s").items() if count}
    assert sum(row["met_mine"] == "True" for row in rows) == summary.collisions
    for field in ("start_ns", "latency_ns", "close_ns", "local_port", "retransmits"):
        assert [int(row[field]) for row in rows] == run.attempts[field].tolist()
    assert {(row["target"], row["target_port"], row["source"]) for row in rows} == {("127.0.0.1", "5000", "127.0.0.1")}


def test_parquet_is_the_same_table(trials, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "attempts.parquet"
    exported(trials, "--format", "parquet", "-o", file)
    table = parquet.read_table(file)
    rows = list(csv.DictReader(io.StringIO(exported(trials, "--format", "csv").decode())))
    assert table.column_names == list(COLUMNS)
    assert len({row["run"] for row in rows}) == TRIALS
    for column in COLUMNS:
        assert [str(value) for value in table[column].to_pylist()] == [row[column] for row in rows], column
    origin = json.loads(table.schema.metadata[b"connstorm"])
    assert origin["plan"]["scenario"] == "closewait"


def test_a_table_comes_in_pieces_whose_size_does_not_depend_on_the_run(trials):
    (first, *_) = sorted(trials.iterdir())
    run, _ = run_folder.read(first)
    attempts = Attempts(observation_of(first), "", analyse(run))
    pieces = list(tables(attempts, 64))
    assert [len(piece["attempt"]) for piece in pieces] == [64] * 6 + [16]
    assert np.concatenate([piece["attempt"] for piece in pieces]).tolist() == list(range(400))


def observation_of(path):
    from stress.store.runs import read_observation

    return read_observation(path, "")


# What all have in common


@pytest.fixture(scope="module")
def silent(trials, tmp_path_factory):
    """A run in which no attempt connected at once: its body has no percentile."""

    def lose_body(document):
        document["summary"]["body"] = dict.fromkeys(document["summary"]["body"])

    (first, *_) = sorted(trials.iterdir())
    return variant(first, tmp_path_factory.mktemp("silent"), lose_body)


@pytest.mark.parametrize("format_name", ["benchfmt", "bmf", "github-smaller"])
def test_what_has_no_value_is_left_out(silent, format_name):
    text = exported(silent, "--format", format_name).decode()
    assert "retries_per_million" in text
    values = [line for line in text.splitlines() if "body." in line and not line.startswith("Unit")]
    assert values == []


@pytest.mark.parametrize("format_name", ["pytest-benchmark", "pyperf"])
def test_a_file_without_any_value_is_not_written(silent, format_name, tmp_path):
    with pytest.raises(UsageError, match="No run has a value"):
        exported(silent, "--format", format_name, "-o", tmp_path / "out.json")
    assert list(tmp_path.iterdir()) == []


def test_kernels_are_not_taken_for_trials_of_one_thing(kernels):
    for format_name in ("pytest-benchmark", "pyperf", "bmf", "github-bigger"):
        with pytest.raises(UsageError, match=r"kernel differs \(5\.4\.0.*--columns kernel"):
            exported(*kernels, "--format", format_name)


def test_arms_with_names_are_not_taken_for_trials_of_one_thing(results):
    with pytest.raises(UsageError, match="label differs"):
        exported(
            *(f"{letter}={path}" for letter, path in zip("ab", sorted((results / "6").iterdir()), strict=False)),
            "--format",
            "bmf",
        )


def test_several_files_need_a_folder(results):
    for options in (("--format", "otava"), ("--format", "csv", "--columns", "kernel")):
        with pytest.raises(UsageError, match="folder"):
            exported(results / "6", *options)


def test_a_file_is_complete_or_as_it_was(tmp_path):
    file = tmp_path / "file"
    file.write_text("before")

    def half():
        with output_file(file) as stream:
            stream.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]
    with output_file(file) as stream:
        stream.write(b"whole")
    assert file.read_bytes() == b"whole"


def test_where_nothing_can_be_written_is_said_in_a_sentence(trials, tmp_path):
    with pytest.raises(StoreError, match="could not be written: No such file"):
        exported(trials, "--format", "csv", "-o", tmp_path / "nowhere" / "file.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        exported(trials, "--format", "otava", "-o", tmp_path / "file")


@given(st.lists(st.text(min_size=1), unique=True, max_size=20))
def test_every_name_makes_a_file_name_of_its_own(names):
    made = stems(names)
    assert list(made) == names
    assert len(set(made.values())) == len(names)
    for stem in made.values():
        assert Path(stem).name == stem
        assert len(stem.encode()) < 200
        assert file_stem(stem) == stem


@pytest.mark.parametrize(("module", "format_name"), [("pyarrow", "parquet"), ("hdrh", "hlog")])
def test_what_is_not_installed_is_named(trials, module, format_name, tmp_path):
    code = f"import sys; sys.modules[{module!r}] = None; from stress.cli.main import main; main()"
    output = tmp_path / "file"
    command = [sys.executable, "-c", code, "export", trials, "--format", format_name, "-o", output]
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "pip install" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_standard_output_is_the_file_and_nothing_else(trials):
    ended = connstorm("export", trials, "--format", "pyperf")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(json.loads(ended.stdout)["benchmarks"]) == len(LATENCIES)
