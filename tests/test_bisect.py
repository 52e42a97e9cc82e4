# SPDX-License-Identifier: MIT
"""Bisections: the first bad of many, whatever was skipped; and over real runs of what plays kernels."""

import functools
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
from command import connstorm
from hypothesis import given
from hypothesis import strategies as st
from test_profile import needs_perf, recording  # noqa: F401  # a fixture

from stress.analysis.gate.bisection import Bisection, Mark
from stress.cli.bisect import between, listed, object_of
from stress.compare import bisect_profile
from stress.compare.bisect import bisect_kernels, build_kernel
from stress.lab import lock
from stress.model.errors import LabError, UsageError
from stress.model.kernel import HOST
from stress.suite.config.load import build_suite as built
from stress.suite.executor.local import Local

SUITE = {
    "trials": 1,
    "warmup": 0,
    "settle_s": 0.1,
    "scenario": [{"name": "clean", "attempts": 32, "port_range": [40000, 40031]}],
}


@pytest.fixture(autouse=True)
def _a_lock_of_its_own(monkeypatch):
    """Let suites of this process not wait for those of other tests."""
    monkeypatch.setattr(lock, "NAME_FORMAT", f"{lock.NAME_FORMAT}-{os.getpid()}")


def searched(length, first_bad, skipped):
    """Search; return the bisection and how many places were looked at, the ends not among them."""
    search = Bisection(length, {0: Mark.GOOD, length - 1: Mark.BAD})
    looks = 0
    while (place := search.next()) is not None:
        looks += 1
        search.marks[place] = Mark.SKIPPED if place in skipped else Mark.BAD if place >= first_bad else Mark.GOOD
    return search, looks


@given(st.data())
def test_the_first_bad_one_is_always_among_the_suspects(data):
    length = data.draw(st.integers(2, 60))
    first_bad = data.draw(st.integers(1, length - 1))
    skipped = data.draw(st.sets(st.integers(1, max(1, length - 2))))
    search, _ = searched(length, first_bad, skipped)
    assert first_bad in search.suspects
    assert search.last_good < first_bad <= search.first_bad
    assert all(place in skipped for place in search.suspects[:-1])


@given(st.integers(2, 2000), st.data())
def test_without_skips_it_takes_a_logarithm(length, data):
    first_bad = data.draw(st.integers(1, length - 1))
    search, looks = searched(length, first_bad, set())
    assert list(search.suspects) == [first_bad]
    assert looks <= math.ceil(math.log2(length))


LOCAL = Local()  # whose template serves all tests


@functools.cache
def here(local, host):
    """Return the fingerprint of this machine, which stays what it is."""
    return local.fingerprint(host)


@dataclass
class Pretending:
    """Runs trials here; each "kernel" is a build's text file that says how long the server's queue is."""

    local: Local
    kernel: str = ""

    @property
    def hosts(self):
        return self.local.hosts

    @property
    def parallel_trials(self):
        return 1

    def fingerprint(self, host):
        return here(self.local, host)

    def fingerprint_kernel(self, name, notify):  # noqa: ARG002  # as those that boot
        return here(self.local, "local")

    def submit(self, job, host):
        backlog = int(Path(job.kernel).read_text())
        plan = msgspec.structs.replace(job.plan, backlog=backlog, serve="nobody", deadline_s=0.3, window=32)
        return self.local.submit(replace(job, plan=plan, kernel=HOST), host)


@pytest.fixture
def kernels(tmp_path):
    """Return files of which the later ones have a queue that is too short for 32 connections."""
    names = []
    for number, backlog in enumerate([64, 64, 64, 64, 4, 4, 4]):
        path = tmp_path / f"kernel-{number}"
        path.write_text(str(backlog))
        names.append(str(path))
    return names


def over(kernels, tmp_path, exprs=("errors == 0",), told=lambda _: None, **options):
    return bisect_kernels(
        built(SUITE), kernels, exprs, tmp_path / "results", told, executor=lambda: Pretending(LOCAL), **options
    )


def test_the_first_kernel_that_breaks_the_gate_is_found(kernels, tmp_path):
    told = []
    bisection = over(kernels, tmp_path, told=told.append)
    assert (bisection.last_good, bisection.suspects) == (kernels[3], [kernels[4]])
    assert len(bisection.probes) == 2 + 2
    assert all(probe.path is not None for probe in bisection.probes)
    assert [probe.mark for probe in bisection.probes[:2]] == [Mark.GOOD, Mark.BAD]
    assert any("bad; errors == 0" in line for line in told)
    assert len(list((tmp_path / "results").glob("*-suite-*"))) == len(bisection.probes)


@needs_perf
@pytest.mark.usefixtures("recording")
def test_both_sides_are_profiled_in_the_same_blocks(kernels, tmp_path):
    bisection = over(kernels[3:5], tmp_path, with_profile=True)
    profile = bisection.profile
    assert len(list((tmp_path / "results").glob("*-suite-*"))) == len(bisection.probes) + 1
    assert profile.reasons == []
    (pair,) = profile.pairs
    assert (pair.row, pair.base, pair.new, pair.unit) == ("clean", kernels[3], kernels[4], "trial")
    assert pair.acts[0].units == (1, 1)
    assert len(list(profile.path.glob("trials/*/profile/*/run.json"))) == 2  # maybe without a sample
    assert object_of(profile)["pairs"][0]["acts"][0]["act"] == "storm"


def test_what_cannot_be_profiled_is_refused_before_anything_runs(kernels, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="leave out profile = true there, or measures = false"):
        bisect_profile.refuse_unprofiled(
            built(SUITE | {"scenario": [{"name": "clean", "measures": False}]}), kernels, Pretending(LOCAL)
        )
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="needs perf"):
        over(kernels, tmp_path, with_profile=True)
    assert not (tmp_path / "results").exists()


@needs_perf
def test_kernels_that_are_all_built_in_one_place_cannot_be_profiled(kernels, tmp_path):
    (tmp_path / "kernel").touch()
    build = f"cp {{}} {tmp_path}/kernel && echo {tmp_path}/kernel"
    with pytest.raises(UsageError, match="has to stay where it was built"):
        over([kernels[0], kernels[5]], tmp_path, build=build, with_profile=True)


def test_a_profile_that_goes_wrong_loses_nothing(kernels, tmp_path, monkeypatch):
    def fail(*_):
        raise LabError("It did not boot.")

    monkeypatch.setattr(bisect_profile.runner, "run", fail)
    profile = bisect_profile.profile_sides(built(SUITE), (kernels[0], kernels[5]), tmp_path, Pretending(LOCAL))
    assert (profile.path, profile.pairs, profile.reasons) == (None, [], ["It did not boot"])


def test_a_kernel_that_cannot_be_built_is_skipped(kernels, tmp_path):
    bisection = over(kernels, tmp_path, build=f"test {{}} != {kernels[4]} && echo noise && echo {{}}")
    assert (bisection.last_good, bisection.suspects) == (kernels[3], kernels[4:6])
    (skipped,) = [probe for probe in bisection.probes if probe.mark is Mark.SKIPPED]
    assert "ended with code 1" in skipped.reason


def test_ends_that_are_not_what_they_should_be_are_refused(kernels, tmp_path):
    with pytest.raises(UsageError, match="kernel-4 should be good, but is bad: errors == 0"):
        over(kernels[4:], tmp_path)
    with pytest.raises(UsageError, match="kernel-3 should be bad, but is good"):
        over(kernels[:4], tmp_path)
    with pytest.raises(UsageError, match="needs a good kernel and a bad one"):
        over(kernels[:1], tmp_path)
    with pytest.raises(
        LabError, match=r"It cannot be decided whether .*kernel-0 is good: .* ended with code 3: no tree"
    ):
        over(kernels, tmp_path, build="echo no tree >&2; exit 3 # {}")


def test_a_build_must_say_where_the_kernel_is():
    assert build_kernel("v6.1", "echo made; echo /boot/{}; echo") == "/boot/v6.1"
    with pytest.raises(LabError, match="did not print the path"):
        build_kernel("v6.1", "true {}")
    assert build_kernel("a b; c", "printf %s {}") == "a b; c"


def test_lists_of_kernels(tmp_path):
    (tmp_path / "list").write_text("# oldest first\na\n\nb\nc\n")
    assert listed(str(tmp_path / "list")) == ["a", "b", "c"]
    assert listed("a, b,c") == ["a", "b", "c"]
    assert between(["a", "b", "c", "d"], "b", "d") == ["b", "c", "d"]
    with pytest.raises(UsageError, match="The bad kernel x is not in the list"):
        between(["a", "b"], "a", "x")
    with pytest.raises(UsageError, match="does not come after"):
        between(["a", "b"], "b", "a")


def test_the_command_refuses_what_cannot_be(tmp_path):
    (tmp_path / "suite.toml").write_text('[[scenario]]\nname = "clean"\n')
    ended = connstorm("bisect", "suite.toml", "--good", "deb:No!", "--bad", "host", cwd=tmp_path)
    assert ended.returncode == 2
    assert "is not the name of a Debian kernel" in ended.stderr
    assert not list(tmp_path.glob("results/*"))
