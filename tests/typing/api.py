# SPDX-License-Identifier: MIT
"""What the public API's types are to those who use it: mypy reads this file, nothing runs it."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

from stress import api


def use_runs(folder: Path) -> None:
    plan = api.scenario_plan("closewait", mines=10, sysctls={"net.ipv4.tcp_syn_retries": "2"})
    assert_type(plan, api.Plan)
    run = api.run(plan, output=folder, progress=print)
    assert_type(run, api.StoredRun)
    assert_type(api.run("clean", attempts=100), api.StoredRun)
    assert_type(api.read_run("results/run"), api.StoredRun)
    assert_type(run.path, Path | None)
    assert_type(run.record, api.Record)
    assert_type(run.summary, api.Summary)
    assert_type(run.summary.outcomes, dict[str, int])
    assert_type(run.attempts, npt.NDArray[Any])
    assert_type(run.mines, npt.NDArray[Any])
    assert_type(run.outcomes, npt.NDArray[np.str_])
    assert_type(run.causes, npt.NDArray[np.str_])


def use_servers() -> None:
    plan = api.server_plan(("127.0.0.1", 8080), attempts=100, close="fin")
    storms = api.storm_server(plan, trials=3)
    assert_type(storms, api.ExternalStorms)
    assert_type(api.storm_server(("::1", 8080, 0, 0), rate_per_s=None), api.ExternalStorms)
    assert_type(storms.values, list[float | None])
    assert_type(storms.total("errors"), float)
    assert_type(storms.times_s(), list[float])
    assert_type(storms.answers[0], api.Answer)
    assert_type(storms.answers[0].counters, dict[str, int])
    assert_type(api.storm_server_here(plan), api.StoredRun)
    assert_type(api.storm_server_here(("127.0.0.1", 8080)), api.StoredRun)


def use_suites() -> None:
    folder = api.run_suite({"trials": 2, "scenario": [{"name": "clean"}]})
    assert_type(folder, Path)
    assert_type(api.run_suite("suite.toml", output="results"), Path)
    assert_type(api.suite_cells(folder), list[api.CellTrials])
    assert_type(api.recorded_sysctls(), dict[str, str])
