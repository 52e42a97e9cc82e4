"""Names of stored runs and suites: what a user may write in place of a path."""

import json
import os
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import FROZEN, a_document, a_suite

from stress.analysis.attribution.attempt_record import record_attempt
from stress.cli.main import connstorm as group
from stress.cli.shipped import complete_suite
from stress.cli.show import show_stored
from stress.cli.stored import complete_stored
from stress.model.errors import NoRunsError, UsageError
from stress.run.capture import read_capture
from stress.store import run_folder
from stress.store.overview import Damage, read_overview
from stress.store.stored_names import find_arm, find_stored, list_stored

DATA = Path(__file__).parent / "data"

subjects = st.sampled_from(["clean", "closewait", "closewait-2", "suite-smoke", "suite-clean", "port-cost"])
times = st.integers(0, 5).map(lambda second: f"20261128T07000{second}Z")
ids = st.integers(0, 0xFFFFFF).map(lambda number: f"{number:06x}")
names = st.lists(
    st.tuples(times, subjects, ids).map("-".join), min_size=1, max_size=8, unique_by=lambda name: name[-6:]
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def stored(home, entries):
    """Return a folder of all runs with empty folders of these names, made in this order."""
    results = home / "results"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir()
    for second, name in enumerate(entries):
        (results / name).mkdir()
        os.utime(results / name, (second, second))
    return results


@settings(max_examples=40)
@given(entries=names)
def test_whole_names_short_names_and_ids_are_enough(entries, home):
    results = stored(home, entries)
    for name in entries:
        assert find_stored(name, results) == results / name
        assert find_stored(name[-6:], results) == results / name
        assert find_stored(name.partition("-")[2], results) == results / name
        assert find_stored(f"{results}/{name[-6:]}", results) == results / name


@settings(max_examples=40)
@given(entries=names, data=st.data())
def test_a_part_is_never_taken_for_one_of_several(entries, data, home):
    """Whatever part of a name is written: what is returned has it, and no other one has it in as narrow a sense."""
    results = stored(home, entries)
    name = data.draw(st.sampled_from(entries))
    first = data.draw(st.integers(0, len(name) - 1))
    part = name[first : data.draw(st.integers(first + 1, len(name)))]
    having = [entry for entry in entries if part in entry]
    try:
        path = find_stored(part, results)
    except NoRunsError:
        pytest.fail("the part is in a name")
    except UsageError:
        assert len(having) > 1
        return
    assert path.name in having
    if len(having) > 1:
        begins = [entry for entry in having if entry.startswith(part) or entry.partition("-")[2].startswith(part)]
        subject = [entry for entry in having if entry[17:-7].removeprefix("suite-") == part]
        is_id = path.name.endswith(f"-{part}") or path.name[17:] == part
        assert is_id or subject == [path.name] or (not subject and begins == [path.name])


@settings(max_examples=40)
@given(entries=names)
def test_latest_counts_back_from_the_newest(entries, home):
    results = stored(home, entries)
    ordered = sorted(entries, key=lambda name: (name[:16], entries.index(name)), reverse=True)
    assert [entry.name for entry in list_stored(results)] == ordered
    for back, name in enumerate(ordered):
        assert find_stored(f"latest~{back}", results).name == name
    assert find_stored("latest", results).name == ordered[0]
    clean = [name for name in ordered if name[17:-7].removeprefix("suite-") == "clean"]
    for back, name in enumerate(clean):
        assert find_stored(f"latest:clean~{back}", results).name == name
    for text in (f"latest~{len(ordered)}", f"latest:clean~{len(clean)}"):
        with pytest.raises(NoRunsError):
            find_stored(text, results)


@settings(max_examples=40)
@given(entries=names, text=st.sampled_from(["latest", "latest~1", "clean", "closewait", "suite-smoke", "a=b", "x#y"]))
def test_a_path_that_exists_always_wins(entries, text, home):
    results = stored(home, entries)
    before = Path.cwd()
    os.chdir(home)
    try:
        Path(text).mkdir()
        assert find_stored(text, results) == Path(text)
        assert Path(find_arm(text, results)) == Path(text)
    finally:
        Path(text).rmdir()
        os.chdir(before)


def test_an_arm_that_is_named_in_short_has_a_short_label_and_a_whole_path(home):
    results = stored(home, ["20261128T070000Z-clean-0a1b2c", "20261128T070001Z-suite-smoke-1a2b3c"])
    assert find_arm("clean", results) == f"clean-0a1b2c={results}/20261128T070000Z-clean-0a1b2c"
    assert find_arm("old=clean", results) == f"old={results}/20261128T070000Z-clean-0a1b2c"
    suite = results / "20261128T070001Z-suite-smoke-1a2b3c"
    assert find_arm("latest#a cell", results) == f"suite-smoke-1a2b3c={suite}#a cell"
    assert find_arm(f"{suite}#a cell", results) == f"{suite}#a cell"


def test_runs_of_the_demo_and_renamed_folders_have_names_too(tmp_path):
    inside = tmp_path / "20261128T060000Z-demo" / "20261128T060001Z-clean-0a1b2c"
    inside.mkdir(parents=True)
    shutil.copytree(DATA / "run-schema-3", tmp_path / "before the update")
    (tmp_path / "compare" / "one").mkdir(parents=True)
    assert [entry.name for entry in list_stored(tmp_path)] == [
        "before the update",
        "20261128T060000Z-demo/20261128T060001Z-clean-0a1b2c",
    ]
    assert find_stored("before", tmp_path) == tmp_path / "before the update"
    assert find_stored("clean", tmp_path) == inside
    assert find_stored("latest~1", tmp_path) == inside


def test_a_suite_that_is_resumed_is_looked_for_among_suites(home):
    results = stored(home, ["20261128T070000Z-suite-clean-0a1b2c", "20261128T070001Z-clean-1a2b3c"])
    assert find_stored("latest", results, only_suites=True) == results / "20261128T070000Z-suite-clean-0a1b2c"
    with pytest.raises(UsageError, match="clean may be any of 2"):
        find_stored("clean", results)
    assert find_stored("clean", results, only_suites=True) == find_stored("0a1b2c", results)


def test_a_message_names_few_candidates(home):
    results = stored(home, [f"20261128T070000Z-clean-00000{number}" for number in range(9)])
    with pytest.raises(UsageError, match=r"clean may be any of 9 in .*: clean-000008, .* and 5 more; .*latest:clean"):
        find_stored("clean", results)


def test_a_damaged_run_hides_no_other(tmp_path):
    shutil.copytree(DATA / "run-schema-3", tmp_path / "20261128T070000Z-closewait-eb92ff")
    (tmp_path / "20261128T070001Z-clean-0a1b2c").mkdir()
    (tmp_path / "20261128T070001Z-clean-0a1b2c" / "run.json").write_text("{")
    damaged, whole = (read_overview(entry) for entry in list_stored(tmp_path))
    assert isinstance(damaged, Damage)
    assert (whole.attempts, whole.causes) == (12, {"closewait": 3})


def test_an_overview_of_a_suite_counts_its_trials(tmp_path):
    slow, clean = a_document(retried=5), a_document()
    trials = {
        "closewait": [slow, "its process ended with SIGKILL", slow],
        "clean": [clean],
    }  # the third is one too many
    path = a_suite(tmp_path / "20261128T070000Z-suite-x-0a1b2c", trials)
    document = json.loads((path / "suite.json").read_text())
    document["suite"]["trials"] = 2
    (path / "suite.json").write_text(json.dumps(document))
    (suite,) = map(read_overview, list_stored(tmp_path))
    assert (suite.cells, suite.done, suite.failed) == (2, 2, 1)
    assert (suite.trials, suite.missing, suite.causes) == (4, 1, {"closewait": 1})


@pytest.mark.parametrize(
    "path", [DATA / "run-schema-1", DATA / "run-schema-2", DATA / "run-schema-3", *FROZEN.glob("trials/*/2*")], ids=str
)
def test_an_attempt_is_shown_as_it_is_stored(path):
    run, summary = run_folder.read(path)
    causes = []
    for number, stored_attempt in enumerate(np.load(path / "attempts.npy")):
        record = record_attempt(run, summary, number)
        for field in ("start_ns", "latency_ns", "local_port", "retransmits", "worker"):
            assert getattr(record, field) == stored_attempt[field]
        assert (record.close_ns or 0, record.errno) == (stored_attempt["close_ns"], stored_attempt["error"])
        assert (record.proof is None) == (record.cause == "none")
        assert record.proof is None or record.proof.cause == record.cause
        assert record.met_mine == (record.cause == "closewait") == (record.mine is not None)
        causes.append(record.cause)
    assert {cause: count for cause, count in summary.causes.items() if count} == {
        cause: causes.count(cause) for cause in set(causes)
    }


def test_attempts_of_a_capture_have_their_flows_and_acts(tmp_path):
    run, summary = run_folder.read(read_capture([DATA / "captures" / "two.pcapng"], tmp_path, draw=False))
    records = [record_attempt(run, summary, number) for number in range(len(run.attempts))]
    assert [record.act for record in records] == [act.name for act in run.record.acts for _ in range(act.attempts)]
    assert sum(len(record.flows) for record in records) == len(run.flows)
    endpoints = {(record.source, record.target, record.target_port) for record in records}
    assert endpoints == {tuple(pair) for act in run.record.acts for pair in act.address.endpoints}


def test_the_shell_completes_names(tmp_path):
    (tmp_path / "20261128T070000Z-clean-0a1b2c").mkdir()
    context = show_stored.make_context("show", ["x", "--results", str(tmp_path)], resilient_parsing=True, parent=None)
    items = complete_stored(context, show_stored.params[0], "cl")
    assert [(item.value, item.type) for item in items] == [("cl", "file"), ("clean-0a1b2c", "plain")]
    asked = click.Context(group)
    takers = [
        name
        for name in group.list_commands(asked)
        if any(
            getattr(option, "_custom_shell_complete", None) in (complete_stored, complete_suite)
            for option in group.get_command(asked, name).params
        )
    ]
    assert {"compare", "export", "gate", "history", "plot", "show", "suite"} <= set(takers)
