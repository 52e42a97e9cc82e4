# SPDX-License-Identifier: MIT
"""The public Python API: what it does, what it loads, and what its types are."""

import socket
import subprocess
import sys

import numpy as np
import pytest
from command import REPOSITORY
from namespaced import namespaced

from stress import api

SMALL = {"port_range": (40000, 40031)}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Return a run over three mines."""
    try:
        return api.run("closewait", output=tmp_path_factory.mktemp("results"), mines=3, **SMALL)
    except api.LabError as error:
        pytest.skip(str(error))


def test_a_run_has_its_attempts_with_outcome_and_cause(stored):
    assert len(stored.attempts) == len(stored.outcomes) == len(stored.causes) == stored.summary.attempts == 32
    assert np.count_nonzero(stored.causes == "closewait") == 3
    assert set(stored.outcomes) == {"connected", "retried"}
    assert set(stored.mines["local_port"]) == set(stored.attempts["local_port"][stored.causes == "closewait"])
    assert stored.record.plan == api.scenario_plan("closewait", mines=3, **SMALL)


def test_a_stored_run_is_read_again(stored):
    again = api.read_run(stored.path)
    assert again.summary == stored.summary
    assert np.array_equal(again.attempts, stored.attempts)
    assert np.array_equal(again.causes, stored.causes)


@pytest.mark.parametrize(
    ("scenario", "options", "sentence"),
    [
        ("closewiat", {}, "Did you mean closewait"),
        ("clean", {"mine": 3}, "unknown field `mine`"),
        ("clean", {"mines": "many"}, "Expected `int`"),
        ("clean", {"mines": -1}, "mines"),
    ],
)
def test_what_is_invalid_is_a_usage_error_before_anything_runs(scenario, options, sentence, tmp_path):
    with pytest.raises(api.UsageError, match=sentence):
        api.run(scenario, output=tmp_path / "results", **options)
    assert not (tmp_path / "results").exists()


def test_a_whole_plan_takes_no_options(tmp_path):
    with pytest.raises(api.UsageError, match="takes no options; set mines in the plan"):
        api.run(api.scenario_plan("clean"), output=tmp_path, mines=3)
    plan = api.server_plan(("127.0.0.1", 5000))
    for storm in (api.storm_server, api.storm_server_here):
        with pytest.raises(api.UsageError, match="takes no options; set attempts in the plan"):
            storm(plan, attempts=3)


@namespaced(ports=(40000, 40063))
def test_a_server_is_stormed_in_processes_and_in_this_one():
    with socket.create_server(("127.0.0.1", 5000), backlog=500) as server:
        bounds = {"attempts": 20, "rate_per_s": 500.0, "duration_s": 2.0, "deadline_s": 1.0}
        storms = api.storm_server(server.getsockname(), trials=2, **bounds)
        assert storms.total("outcome.connected") == 40
        assert len(storms.times_s()) == 2
        assert all(isinstance(answer, api.Answer) for answer in storms.answers)
        here = api.storm_server_here(server.getsockname(), close="rst", **bounds)
        assert here.path is None
        assert list(here.outcomes) == ["connected"] * 20
        plan = api.server_plan(server.getsockname(), **bounds)
        again = api.storm_server_here(plan)
        assert list(again.outcomes) == ["connected"] * 20
        assert again.record.plan == plan
        with pytest.raises(api.UsageError, match="Nobody listens"):
            api.storm_server_here(("127.0.0.1", 5001), **bounds)


def test_a_suite_is_run_and_read(tmp_path):
    if subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no private namespace can be made here")
    suite = {"trials": 1, "warmup": 0, "settle_s": 0.1, "scenario": [{"name": "clean", "attempts": 16}]}
    folder = api.run_suite(suite, output=tmp_path)
    (cell,) = api.suite_cells(folder)
    assert isinstance(cell, api.CellTrials)
    assert (cell.cell.name, len(cell.done)) == ("clean", 1)


def test_it_has_what_it_lists_and_nothing_else():
    assert all(hasattr(api, name) for name in api.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Trials'"):
        api.Trials  # noqa: B018  # the access is the test


def test_it_loads_nothing_that_is_slow():
    code = "import sys, stress.api; print(sorted({'numpy', 'scipy', 'matplotlib', 'rich'} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_its_types_are_those_that_users_see():
    command = [sys.executable, "-m", "mypy", "--strict", "tests/typing/api.py"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("call", [api.run, api.storm_server, api.storm_server_here, api.server_plan])
@pytest.mark.parametrize("what", [None, 5, b"clean"])
def test_what_is_neither_a_name_nor_an_address_nor_a_plan_is_refused_in_a_sentence(call, what):
    with pytest.raises(api.UsageError, match=r"is no (scenario|address of a server); give its"):
        call(what)
