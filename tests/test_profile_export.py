# SPDX-License-Identifier: MIT
"""Profiles for other programs: every sample of every stack is in each format, with its frames in their order."""

import gzip
import io
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from stress.cli.main import connstorm
from stress.model.errors import UsageError
from stress.model.profile import ActProfile, ProfileReport, parse_folded
from stress.store import profile_file
from stress.view.export.formats import flamegraph, pprof, speedscope
from stress.view.export.formats.pprof import varint
from stress.view.export.profiled_run import ProfiledRun

FROZEN = Path(__file__).parent / "data" / "run-schema-3-profile"
ACT = ActProfile(act="storm", cpus=[0], duration_ns=10**9, samples=0)
REPORT = ProfileReport(program="perf 1", rate_hz=500, lost=0, failure="", acts=[ACT])
FRAMES = st.sampled_from(["connect()", "close()", "tcp_v4_rcv", "a b", "ü"])
STACKS = st.dictionaries(
    st.lists(FRAMES, min_size=2, max_size=5).map(lambda frames: ("storm", *frames)), st.integers(1, 10**6), min_size=1
)
RUNS = st.lists(STACKS, min_size=1, max_size=2).map(
    lambda of_runs: [ProfiledRun(f"run {number}", REPORT, stacks) for number, stacks in enumerate(of_runs)]
)


def expected(runs):
    """Return the stacks of runs as one, those of several on the name of their run."""
    return {
        (*([run.name] if len(runs) > 1 else []), *stack): count for run in runs for stack, count in run.stacks.items()
    }


def written(write, runs):
    stream = io.BytesIO()
    write(runs, stream)
    return stream.getvalue()


def read_varint(data, place):
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def fields(data):
    """Return the fields of a message of protocol buffers: (number, value), values being numbers or bytes."""
    place, decoded = 0, []
    while place < len(data):
        key, place = read_varint(data, place)
        value, place = read_varint(data, place)
        if key & 7 == 2:
            value, place = data[place : place + value], place + value
        else:
            assert key & 7 == 0
        decoded.append((key >> 3, value))
    return decoded


def numbers(data):
    place, decoded = 0, []
    while place < len(data):
        value, place = read_varint(data, place)
        decoded.append(value)
    return decoded


@given(RUNS)
def test_a_flame_graph_has_every_stack(runs):
    assert parse_folded(written(flamegraph.write, runs).decode()) == expected(runs)


@given(RUNS)
def test_speedscope_has_every_stack_in_ns(runs):
    document = json.loads(written(speedscope.write, runs))
    names = [frame["name"] for frame in document["shared"]["frames"]]
    assert len(set(names)) == len(names)
    for run, profile in zip(runs, document["profiles"], strict=True):
        assert profile["unit"] == "nanoseconds"
        assert profile["endValue"] == sum(profile["weights"])
        stacks = [("storm", *(names[place] for place in sample)) for sample in profile["samples"]]
        read = dict(zip(stacks, profile["weights"], strict=True))
        assert read == {stack: count * REPORT.period_ns for stack, count in run.stacks.items()}


@given(RUNS)
def test_pprof_has_every_stack_as_samples_and_ns(runs):
    message = fields(gzip.decompress(written(pprof.write, runs)))
    texts = [value.decode() for field, value in message if field == pprof.STRINGS]
    assert texts[0] == ""
    functions = {
        one[1]: texts[one[2]] for field, value in message if field == pprof.FUNCTION for one in [dict(fields(value))]
    }
    locations = {}
    for value in (value for field, value in message if field == pprof.LOCATION):
        location = dict(fields(value))
        locations[location[1]] = functions[dict(fields(location[4]))[1]]
    read = {}
    for sample in (dict(fields(value)) for field, value in message if field == pprof.SAMPLE):
        count, ns = numbers(sample[2])
        assert ns == count * REPORT.period_ns
        read[tuple(locations[place] for place in reversed(numbers(sample[1])))] = count
    assert read == expected(runs)
    types = [dict(fields(value)) for field, value in message if field == pprof.SAMPLE_TYPE]
    assert [(texts[one[1]], texts[one[2]]) for one in types] == [("samples", "count"), ("cpu", "nanoseconds")]


@given(st.integers(0, 2**63 - 1))
def test_a_number_is_read_as_it_was_written(value):
    assert read_varint(varint(value), 0) == (value, len(varint(value)))


def test_the_stacks_of_a_stored_run_are_exported(tmp_path):
    output = tmp_path / "stacks"
    said = CliRunner().invoke(connstorm, ["export", str(FROZEN), "--format", "flamegraph", "-o", str(output)])
    assert said.exit_code == 0, said.output
    assert parse_folded(output.read_text()) == profile_file.read(FROZEN)


@pytest.mark.parametrize("name", ["flamegraph", "speedscope", "pprof"])
def test_a_run_without_a_profile_is_refused_and_nothing_is_written(tmp_path, name):
    other = shutil.copytree(FROZEN.parent / "run-schema-3", tmp_path / "other")
    said = CliRunner().invoke(connstorm, ["export", str(other), "--format", name, "-o", str(tmp_path / "stacks")])
    assert isinstance(said.exception, UsageError)
    assert "has no profile; connstorm run closewait --profile makes one" in str(said.exception)
    assert not (tmp_path / "stacks").exists()
