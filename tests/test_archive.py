# SPDX-License-Identifier: MIT
"""Archives of run folders, also from hosts that send what they should not."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.model.errors import INTERRUPTED, LabError, StoreError
from stress.model.plan import Plan
from stress.run.protocol import Failed
from stress.suite.executor import archive
from stress.suite.executor.base import failure_elsewhere

FROZEN = Path(__file__).parent / "data" / "run-schema-2"
MIB = 1 << 20


def unpack(data, results, name="run", limit_bytes=64 * MIB):
    return archive.unpack(io.BytesIO(data), name, results, limit_bytes)


def a_header(name="attempts.npy", size=0, kind=tarfile.REGTYPE):
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def packed():
    stream = io.BytesIO()
    archive.pack_run_folder(FROZEN, stream)
    return stream.getvalue()


def test_an_archive_arrives_as_it_was_sent(tmp_path):
    unpacked = unpack(packed(), tmp_path)
    assert {file.name: file.read_bytes() for file in unpacked.iterdir()} == {
        file.name: file.read_bytes() for file in FROZEN.iterdir()
    }
    assert list(tmp_path.iterdir()) == [unpacked]


@given(share=st.floats(0, 0.99), flip=st.booleans())
def test_an_archive_that_is_cut_short_leaves_nothing(tmp_path_factory, share, flip):
    whole = packed()
    content = whole.rstrip(b"\0")
    damaged = content[: int(share * len(content))]
    if flip and damaged:
        damaged = damaged[:-1] + bytes([damaged[-1] ^ 1])
    results = tmp_path_factory.mktemp("results")
    with pytest.raises(LabError, match=r"[nN]othing was stored"):
        unpack(damaged, results)
    assert list(results.iterdir()) == []


@pytest.mark.parametrize("name", ["../run", "a/b", "", "..", ".", ".run"])
def test_a_host_cannot_choose_where_its_run_is_written(tmp_path, name):
    with pytest.raises(LabError, match="no name of a run folder"):
        unpack(packed(), tmp_path, name)


def test_a_member_that_lies_elsewhere_is_refused(tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.add(FROZEN / "run.json", "../run.json")
    with pytest.raises(LabError, match=r"has '\.\./run\.json'"):
        unpack(stream.getvalue(), tmp_path)
    assert list(tmp_path.iterdir()) == []


class Endless:
    """A stream that repeats itself without an end, and counts what was read."""

    def __init__(self, *parts):
        self.parts, self.rest, self.read_bytes = parts, b"", 0

    def read(self, size):
        while len(self.rest) < size:
            self.rest += b"".join(self.parts)
        data, self.rest = self.rest[:size], self.rest[size:]
        self.read_bytes += size
        return data


def test_files_without_end_are_refused_after_a_few(tmp_path):
    numbered = [a_header(f"file{number}") for number in range(1000)]
    stream = Endless(*numbered)
    with pytest.raises(LabError, match="has more than 64 files; nothing was stored"):
        archive.unpack(stream, "run", tmp_path, 64 * MIB)
    assert stream.read_bytes < MIB
    assert list(tmp_path.iterdir()) == []


def test_the_same_file_again_is_refused(tmp_path):
    with pytest.raises(LabError, match=r"has 'attempts\.npy' twice"):
        unpack(a_header() + a_header(), tmp_path)


@pytest.mark.parametrize("size", [65 * MIB, 8 << 30, 1 << 40])
def test_a_file_that_the_plan_cannot_have_is_refused_before_it_is_read(tmp_path, size):
    stream = Endless(a_header(size=size), bytes(512))
    with pytest.raises(LabError, match="has more than 64 MiB, which this plan cannot have"):
        archive.unpack(stream, "run", tmp_path, 64 * MIB)
    assert stream.read_bytes == 512
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (tarfile.GNUTYPE_SPARSE, 0),
        (tarfile.XHDTYPE, 1 << 30),
        (tarfile.XGLTYPE, 1 << 30),
        (tarfile.GNUTYPE_LONGNAME, 1 << 30),
        (tarfile.SYMTYPE, 0),
        (tarfile.LNKTYPE, 0),
        (tarfile.DIRTYPE, 0),
        (tarfile.CHRTYPE, 0),
        (tarfile.FIFOTYPE, 0),
    ],
)
def test_what_is_no_plain_file_is_refused_with_its_header(tmp_path, kind, size):
    stream = Endless(a_header(size=size, kind=kind), bytes(512))
    with pytest.raises(LabError, match="which no run folder has"):
        archive.unpack(stream, "run", tmp_path, 64 * MIB)
    assert stream.read_bytes == 512


def test_extended_headers_without_end_are_refused(tmp_path):
    stream = Endless(a_header("PaxHeader", kind=tarfile.XHDTYPE, size=512), bytes(512))
    with pytest.raises(LabError, match="'PaxHeader', which no run folder has"):
        archive.unpack(stream, "run", tmp_path, 64 * MIB)
    assert stream.read_bytes < MIB


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\nb", "a b", "\u202egnp", "é", "-rf", ".hidden", "../../etc/passwd"])
def test_names_are_of_letters_digits_and_few_signs(tmp_path, name):
    with pytest.raises(LabError) as refused:
        unpack(a_header(name), tmp_path)
    assert str(refused.value).isprintable()
    with pytest.raises(LabError, match="no name of a run folder"):
        unpack(packed(), tmp_path, name)


def test_the_times_of_files_that_others_send_are_skipped(tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(FROZEN.iterdir()):
            tar.add(file, file.name, recursive=False)  # a time with a fraction is an extended header
    assert b"PaxHeader" in stream.getvalue()
    unpacked = unpack(stream.getvalue(), tmp_path)
    assert {file.name for file in unpacked.iterdir()} == {file.name for file in FROZEN.iterdir()}


@given(st.binary(max_size=2048))
def test_no_bytes_are_more_than_a_sentence(tmp_path_factory, data):
    results = tmp_path_factory.mktemp("results")
    with pytest.raises(LabError, match=r"[nN]othing was stored"):
        unpack(data, results)
    assert list(results.iterdir()) == []


def test_a_disk_here_that_is_full_is_no_fault_of_the_host(tmp_path):
    """By a limit on the size of files, in a process of its own: EFBIG comes as ENOSPC does."""
    program = f"""
import io, resource, signal, sys
from pathlib import Path
from stress.model.errors import StoreError
from stress.suite.executor import archive
stream = io.BytesIO()
archive.pack_run_folder(Path({str(FROZEN)!r}), stream)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    archive.unpack(io.BytesIO(stream.getvalue()), "run", Path({str(tmp_path)!r}), 1 << 30)
except StoreError as error:
    sys.exit(f"store: {{error}}")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stderr.startswith("store: "), ended.stderr
    assert "could not be written" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_here_that_cannot_be_made_is_no_lost_host(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="could not be made"):
        unpack(packed(), tmp_path / "file" / "results")


def test_a_plan_says_how_much_its_run_folder_can_be():
    small, large = (
        archive.archive_limit_bytes(Plan(scenario="clean", attempts=attempts)) for attempts in (10, 10_000_000)
    )
    assert small == archive.OTHER_BYTES + 10 * archive.ATTEMPT_BYTES
    assert large > 10_000_000 * 32


@pytest.mark.parametrize(
    "told", [Failed("disk full", 2, "StoreError"), Failed("ended", INTERRUPTED), Failed("?", 0, "KeyboardInterrupt")]
)
def test_a_host_can_fail_only_its_own_trials(told):
    assert failure_elsewhere(told) == Failed(told.text, LabError.exit_code, "LabError")


@pytest.mark.parametrize("kind", ["LabError", "UsageError", "NotApplicableError", "FaultError"])
def test_what_a_trial_may_fail_by_stays_what_it_is(kind):
    told = Failed("a reason", 3, kind)
    assert failure_elsewhere(told) is told
