# SPDX-License-Identifier: MIT
"""Runs on disk: complete or absent, and refused in a clear sentence when they are not what was written."""

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
from builders import a_run, the_attempts

from stress.analysis.attribution.summary import analyse
from stress.model.attempt import ATTEMPT, USE
from stress.model.errors import UsageError
from stress.model.plan import Plan
from stress.model.run import CLOSE_WAIT, MINE, Run
from stress.store import run_folder
from stress.store.array_file import open_array
from stress.store.run_schema import SCHEMA

DATA = Path(__file__).parent / "data"  # what each schema's first connstorm wrote; never to be changed
FIRST, FROZEN, THIRD = (DATA / f"run-schema-{schema}" for schema in (1, 2, 3))
HASHED = DATA / "run-schema-3-digest"  # with the hash that run.json has of itself
DOCUMENTED = Path(__file__).parents[1] / "docs" / "run.schema.json"


@pytest.fixture
def copy(tmp_path):
    """Return a copy of the frozen run that a test may damage."""
    return Path(shutil.copytree(FROZEN, tmp_path / "copy"))


def change(run, **fields):
    """Overwrite fields of a run.json; None removes one."""
    document = json.loads((run / "run.json").read_text())
    for field, value in fields.items():
        document[field] = value
        if value is None:
            del document[field]
    (run / "run.json").write_text(json.dumps(document))


@pytest.mark.parametrize("frozen", [FIRST, FROZEN, THIRD], ids=lambda path: path.name)
def test_a_frozen_run_is_still_read(frozen):
    run, summary = run_folder.read(frozen)
    assert run.attempts.dtype == ATTEMPT
    assert run.mines.dtype == MINE
    assert len(run.attempts) == summary.attempts == 12
    assert sorted(run.mines["local_port"]) == sorted(run.attempts["local_port"][run.attempts["retransmits"] == 1])
    assert run.record.plan.scenario == "closewait"


def test_a_run_of_schema_3_says_what_proved_its_causes():
    run, summary = run_folder.read(THIRD)
    (act,) = run.record.acts
    (proof,) = summary.proofs
    assert (proof.cause, proof.rule, proof.grade, proof.attempts) == ("closewait", "closewait", "counted", 3)
    assert set(run.mines["state"]) == {CLOSE_WAIT}
    assert (run.mines["cookie"] > 0).all()
    assert [(report.on_target, report.drops, report.waiting) for report in act.listening] == [(True, 0, 0)]
    assert (act.outside_packets, act.source_error, act.listener_elsewhere) == (0, None, [])
    again = analyse(run).summary
    assert {name: count for name, count in again.causes.items() if count} == {"none": 9, "closewait": 3}
    # Causes that came later count 0, and the claims of the books may come in another order.
    assert msgspec.structs.replace(again, causes=summary.causes, books=summary.books) == summary
    assert sorted(map(str, again.books)) == sorted(map(str, summary.books))
    assert summary.uses is None
    assert not len(run.uses)


def test_uses_are_stored_where_there_are_any(tmp_path):
    attempts = the_attempts((40000, 0, 0), (40001, errno.ECONNREFUSED, 0))
    uses = np.array([(5000, errno.ECONNRESET), (0, 0)], USE)
    run = replace(a_run(attempts, plan=Plan(scenario="test", use=True)), uses=uses)
    path = run_folder.write(run, analyse(run).summary, tmp_path)
    again, summary = run_folder.read(path)
    assert again.uses.tolist() == uses.tolist()
    assert (summary.uses.answered, summary.uses.errors) == (0, {"ECONNRESET": 1})
    (path / "uses.npy").write_bytes(b"")
    with pytest.raises(UsageError, match=r"uses\.npy is not what was written"):
        run_folder.read(path)


def test_a_run_of_schema_1_becomes_one_of_a_single_act():
    run, summary = run_folder.read(FIRST)
    (storm,) = run.storms()
    old = json.loads((FIRST / "run.json").read_text())
    assert storm.act.counters == old["counters"]
    assert storm.act.sysctls == old["host"]["sysctls"]
    assert (storm.act.ports, storm.act.mines_laid, storm.act.address.pairs) == (12, 3, 1)
    assert run.mines["left"].tolist() == [0, 0, 0]
    again = analyse(run).summary
    assert {name: count for name, count in again.outcomes.items() if name in summary.outcomes} == summary.outcomes
    assert {name: count for name, count in again.causes.items() if name in summary.causes} == summary.causes
    assert again.body == summary.body
    assert again.warnings == []


def test_a_run_of_schema_1_with_missing_fields_is_refused(tmp_path):
    copy = Path(shutil.copytree(FIRST, tmp_path / "copy"))
    change(copy, counters=None)
    with pytest.raises(UsageError, match="does not follow schema 1: KeyError"):
        run_folder.read(copy)


def test_a_summary_can_be_made_again_from_a_stored_run(tmp_path):
    run, _ = run_folder.read(FROZEN)
    summary = analyse(run).summary
    stored, read_summary = run_folder.read(run_folder.write(run, summary, tmp_path))
    assert analyse(stored).summary == read_summary == summary


def test_a_written_run_is_read_unchanged(tmp_path):
    run, summary = run_folder.read(FROZEN)
    path = run_folder.write(run, summary, tmp_path)
    again, summary_again = run_folder.read(path)
    assert again.record == run.record
    assert summary_again == summary
    np.testing.assert_array_equal(again.attempts, run.attempts)
    np.testing.assert_array_equal(again.mines, run.mines)
    assert path.name == run_folder.folder_name(run.record)
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name]


def test_a_run_without_mines_has_no_file_for_them(tmp_path):
    run, summary = run_folder.read(FROZEN)
    path = run_folder.write(Run(run.record, run.attempts, np.zeros(0, MINE)), summary, tmp_path)
    assert sorted(file.name for file in path.iterdir()) == ["attempts.npy", "run.json"]
    assert len(run_folder.read(path)[0].mines) == 0


def test_a_drawing_that_fails_leaves_nothing(tmp_path):
    run, summary = run_folder.read(FROZEN)

    def draw(path):
        path.write_bytes(b"half a pict")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_folder.write(run, summary, tmp_path, {"timeline.png": draw})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_and_is_said(tmp_path):
    run, summary = run_folder.read(FROZEN)

    def draw(path):
        with path.open("wb", buffering=0) as _, Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(UsageError, match="No space left on device; nothing was stored"):
        run_folder.write(run, summary, tmp_path, {"timeline.png": draw})
    assert list(tmp_path.iterdir()) == []


def test_results_that_cannot_be_written_are_refused_beforehand(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="choose a folder with --output"):
        run_folder.check_writable(tmp_path / "file" / "results")
    with pytest.raises(UsageError, match="choose a folder with --output"):
        run_folder.check_writable(Path("/proc/results"))


def test_checking_leaves_an_empty_folder(tmp_path):
    run_folder.check_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"schema": SCHEMA + 1, "program": "connstorm 9.0"}, "connstorm 9.0"),
        ({"schema": SCHEMA + 1}, f"schema {SCHEMA + 1}, but this connstorm reads up to {SCHEMA}"),
        ({"schema": 0}, "no released connstorm wrote"),
        ({"schema": -1}, "no released connstorm wrote"),
        ({"schema": "1"}, "no schema number"),
        ({"schema": True}, "schema"),
        ({"schema": None}, "no schema number"),
        ({"plan": None}, "plan"),
        ({"acts": "none"}, "does not follow schema 2"),
    ],
)
def test_another_schema_is_refused(copy, fields, words):
    change(copy, **fields)
    with pytest.raises(UsageError, match=words):
        run_folder.read(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_damaged_run_json_is_refused(copy, text):
    (copy / "run.json").write_text(text)
    with pytest.raises(UsageError, match=r"run\.json"):
        run_folder.read(copy)


@pytest.mark.parametrize("file", ["attempts.npy", "mines.npy"])
@pytest.mark.parametrize("size", [0, 10, -1])
def test_a_truncated_array_is_refused(copy, file, size):
    os.truncate(copy / file, size if size >= 0 else (copy / file).stat().st_size - 1)
    with pytest.raises(UsageError, match="cut short or changed"):
        run_folder.read(copy)


def test_a_changed_array_is_refused(copy):
    attempts = np.load(copy / "attempts.npy")
    attempts["latency_ns"][3] += 1
    np.save(copy / "attempts.npy", attempts)
    with pytest.raises(UsageError, match="cut short or changed"):
        run_folder.read(copy)


def test_a_missing_array_is_refused(copy):
    (copy / "attempts.npy").unlink()
    with pytest.raises(UsageError, match=r"attempts\.npy cannot be read"):
        run_folder.read(copy)


def test_an_array_of_other_records_is_refused(copy):
    np.save(copy / "attempts.npy", np.zeros(12))
    change(copy, files={"attempts.npy": run_folder.file_hash(copy / "attempts.npy")})
    with pytest.raises(UsageError, match="not the records of this schema"):
        run_folder.read(copy)


def test_an_empty_folder_and_no_folder_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match="not a run folder"):
            run_folder.read(path)


@pytest.mark.parametrize("frozen", [FROZEN, THIRD], ids=lambda path: path.name)
def test_a_run_json_follows_the_documented_schema(frozen):
    jsonschema.validate(json.loads((frozen / "run.json").read_text()), json.loads(DOCUMENTED.read_text()))


def test_a_figure_that_cannot_be_written_is_left_out_and_said_and_the_run_is_whole(tmp_path):
    run, summary = run_folder.read(FROZEN)
    told = []

    def full(path):
        path.write_bytes(b"half of a picture")
        raise OSError(errno.ENOSPC, "No space left on device")

    figures = {"timeline.png": full, "ports.png": lambda path: path.write_bytes(b"never")}
    path = run_folder.write(run, summary, tmp_path, figures=figures, notify=told.append)
    assert not list(path.glob("*.png"))
    assert told == [
        "without timeline.png, which could not be written: No space left on device; connstorm plot draws it again"
    ]
    assert len(run_folder.read(path)[0].attempts) == len(run.attempts)


def test_a_changed_run_json_is_refused_by_its_own_hash_but_listed(tmp_path):
    copy = Path(shutil.copytree(HASHED, tmp_path / "copy"))
    assert len(run_folder.read(copy)[0].attempts) == 12
    text = (copy / "run.json").read_text()
    for place in (text.index('"mines"'), text.index('"program"') + 14, len(text) - 10):
        other = "0" if text[place] != "0" else "1"
        changed = text[:place] + (other if text[place].isalnum() else text[place]) + text[place + 1 :]
        if changed == text:
            continue
        (copy / "run.json").write_text(changed)
        with pytest.raises(UsageError, match=r"run\.json is not what was written"):
            run_folder.read(copy)
        assert run_folder.read_summary(copy).attempts == 12


@pytest.mark.parametrize("indent", [-1, 0, 1, 4])
def test_a_copy_of_run_json_with_other_blanks_still_has_its_hash(tmp_path, indent):
    copy = Path(shutil.copytree(HASHED, tmp_path / "copy"))
    data = (copy / "run.json").read_bytes()
    (copy / "run.json").write_bytes(msgspec.json.format(data, indent=indent) + b"\n")
    assert len(run_folder.read(copy)[0].attempts) == 12


def test_what_is_written_has_a_hash_and_one_without_is_read_as_before(tmp_path):
    run, summary = run_folder.read(THIRD)
    path = run_folder.write(run, summary, tmp_path)
    document = json.loads((path / "run.json").read_text())
    assert list(document)[-1] == "digest"
    change(path, digest=None)
    assert run_folder.read(path)[1] == summary
    change(path, digest="0" * 64)
    with pytest.raises(UsageError, match="is not what was written"):
        run_folder.read(path)


def save_shape(path, descr, shape):
    """Write an array file without its data."""
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})


def save_several(path):
    """Write an archive of arrays, as numpy.savez does."""
    with path.open("wb") as stream:
        np.savez(stream, np.zeros(3, ATTEMPT))


RECORDS = np.lib.format.dtype_to_descr(ATTEMPT)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(b""), "is no array file"),
        (save_several, "is no array file"),
        (lambda path: np.save(path, np.zeros((3, 2), ATTEMPT)), "2 dimensions"),
        (lambda path: np.save(path, np.zeros(3)), "not the records"),
        (lambda path: np.save(path, np.array([{}], object), allow_pickle=True), "not the records"),
        (lambda path: save_shape(path, RECORDS, (2**62,)), "cut short"),
        (lambda path: save_shape(path, RECORDS, (10**30,)), "cut short"),
        (lambda path: save_shape(path, RECORDS, (-1,)), "cut short"),
        (lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x10\x00{'descr': '''    "), "is no array file"),
        (lambda path: path.write_bytes(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"), "is no array file"),
    ],
    ids=[
        "empty",
        "npz",
        "two-dimensional",
        "numbers",
        "objects",
        "huge",
        "huger",
        "negative",
        "unended",
        "long-header",
    ],
)
def test_an_array_file_that_is_none_is_refused_in_a_sentence(tmp_path, damage, said):
    path = tmp_path / "attempts.npy"
    damage(path)
    with pytest.raises(UsageError, match=said):
        open_array(path, ATTEMPT)


@pytest.mark.parametrize("ports", [[0, 2**63 - 1], [-(2**63), 0], [5, 2**64]])
@pytest.mark.parametrize("frozen", [FIRST, FROZEN, THIRD], ids=lambda path: path.name)
def test_ports_that_no_host_has_are_refused_before_they_are_counted(tmp_path, frozen, ports):
    copy = Path(shutil.copytree(frozen, tmp_path / "copy"))
    document = json.loads((copy / "run.json").read_text())
    (document["acts"][0] if "acts" in document else document)["port_range"] = ports
    (copy / "run.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match="does not follow schema"):
        run_folder.read(copy)
