# SPDX-License-Identifier: MIT
"""The suite folder's files: what the first connstorm that had suites wrote is read as it was."""

import shutil
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.model.errors import UsageError
from stress.model.suite import Settle, Status, Trial, TrialRecord
from stress.store import suite_folder
from stress.store.suite_folder import SUITE_SCHEMA
from stress.suite.cell_results import count_missing, read_cell_trials

FROZEN = Path(__file__).parent / "data" / "suite-schema-1"  # never to be changed
DOCUMENTED = Path(__file__).parents[1] / "docs" / "suite.schema.json"


def test_the_frozen_suite_is_read_as_it_was():
    file = suite_folder.read(FROZEN)
    assert (file.schema, file.suite.name, file.suite.trials) == (1, "frozen", 2)
    assert [cell.name for cell in file.cells] == ["closewait", "closewait tcp_timestamps=0", "gone"]
    records = suite_folder.read_records(FROZEN)
    assert [record.trial.number for record in records.values()] == [0, 1, 2, 3, 4]
    cells = read_cell_trials(FROZEN, file)
    assert [len(trials.done) for trials in cells] == [2, 1, 0]
    assert count_missing(cells) == 1
    assert cells[2].not_applicable == "Linux 6.18.44-fc-v669 has no net.ipv4.ip_local_port_step_width."
    for trials in cells:
        for summary in trials.done.values():
            assert summary.collisions == summary.causes["closewait"] == 2


def test_the_frozen_files_follow_the_documented_schema():
    schema = msgspec.json.decode(DOCUMENTED.read_bytes())
    for file in ["suite.json", *(str(path.relative_to(FROZEN)) for path in FROZEN.glob("trials/*/trial.json"))]:
        kind = "Manifest" if file == "suite.json" else "TrialRecord"
        document = msgspec.json.decode((FROZEN / file).read_bytes())
        jsonschema.validate(document, schema | {"$ref": f"#/$defs/{kind}"})


@pytest.mark.parametrize("schema", [0, 2, None, "1"])
def test_another_schema_is_refused(tmp_path, schema):
    copy = Path(shutil.copytree(FROZEN, tmp_path / "copy"))
    document = msgspec.json.decode((copy / "suite.json").read_bytes()) | {"schema": schema}
    (copy / "suite.json").write_bytes(msgspec.json.encode(document))
    with pytest.raises(UsageError, match=f"has schema {schema!r}, but this connstorm reads {SUITE_SCHEMA}"):
        suite_folder.read(copy)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", "is not JSON"), ("[]", "has schema None"), ('{"schema": 1}', "does not follow schema 1")],
)
def test_a_damaged_file_is_named(tmp_path, text, sentence):
    (tmp_path / "suite.json").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        suite_folder.read(tmp_path)
    with pytest.raises(UsageError, match="is not a suite folder"):
        suite_folder.read(tmp_path / "missing")


folder_names = st.from_regex(r"[^./\x00-\x1f][^/\x00-\x1f]*", fullmatch=True)
unfinished = st.sampled_from([status for status in Status if status is not Status.DONE])
records = st.builds(
    lambda ending, **fields: TrialRecord(status=ending[0], run=ending[1], **fields),
    trial=st.builds(
        Trial,
        number=st.integers(0, 10**6),
        block=st.integers(0, 999),
        cell=st.text(min_size=1),
        seed=st.integers(0, 2**31),
    ),
    ending=st.tuples(st.just(Status.DONE), folder_names) | st.tuples(unfinished, st.none() | folder_names),
    reason=st.none() | st.text(),
    host=st.text(),
    settle=st.none()
    | st.builds(
        Settle,
        waited_s=st.floats(0, 1e6),
        settled=st.booleans(),
        load=st.floats(0, 1e6),
        running=st.integers(0, 10**6),
        time_wait=st.integers(0, 10**6),
    ),
    started_utc=st.text(),
    took_s=st.floats(0, 1e6),
)  # fmt: skip


@given(record=records)
def test_a_record_is_read_as_it_was_written(tmp_path_factory, record):
    path = tmp_path_factory.mktemp("suite")
    suite_folder.begin_trial(path, record.trial)
    suite_folder.finish_trial(path, record)
    assert suite_folder.read_records(path) == {record.trial.number: record}
    assert not list(path.glob("**/.*"))


def test_the_newest_folder_of_a_name_is_the_latest(tmp_path):
    for started, name in (("20260101T000000Z", "a"), ("20260103T000000Z", "a"), ("20260104T000000Z", "a-b")):
        folder = tmp_path / f"{started}-suite-{name}-0a1b2c"
        folder.mkdir()
        (folder / "suite.json").write_text("{}")
    assert suite_folder.find_latest(tmp_path, "a").name.startswith("20260103")
    with pytest.raises(UsageError, match="There is no suite c under"):
        suite_folder.find_latest(tmp_path, "c")
