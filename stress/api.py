# SPDX-License-Identifier: MIT
"""The public Python API. What is not here may change without notice.

    from stress import api

    run = api.run("closewait", mines=100, port_range=(40000, 40999))
    slow = run.attempts[run.causes == "closewait"]
    print(run.summary.outcomes, slow["latency_ns"].max())

    storms = api.storm_server(("127.0.0.1", 8080), trials=3, attempts=500)
    print(storms.total("cause.accept_queue"))

    suite = api.run_suite({"trials": 3, "scenario": [{"name": "clean", "attempts": 1000}]})
    for cell in api.suite_cells(suite):
        print(cell.cell.name, len(cell.done))
    api.report(suite, output="suite.html")

Importing this module loads neither numpy nor matplotlib.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stress.analysis.statistics.trials import CellTrials
from stress.model.errors import ConnstormError, LabError, StoreError, UsageError
from stress.model.plan import Plan
from stress.model.record import Record
from stress.model.summary import Summary
from stress.run.across_link import run_across_link
from stress.run.external import ExternalStorms, refuse_options
from stress.run.external_call import Answer
from stress.run.stored_run import StoredRun

__all__ = [
    "Answer",
    "CellTrials",
    "ConnstormError",
    "ExternalStorms",
    "LabError",
    "Plan",
    "Record",
    "StoreError",
    "StoredRun",
    "Summary",
    "UsageError",
    "read_run",
    "recorded_sysctls",
    "report",
    "run",
    "run_across_link",
    "run_suite",
    "scenario_plan",
    "server_plan",
    "storm_server",
    "storm_server_here",
    "suite_cells",
]

RESULTS = Path("results")


def scenario_plan(scenario: str, **options: Any) -> Plan:
    """Return the plan of a scenario with some fields changed.

    Args:
        scenario: its name in the catalogue (``connstorm scenarios``).
        options: fields of ``Plan``: attempts, mines, close, ports, sysctls, family, host, seed, …

    Raises:
        UsageError: there is no such scenario or field, a value is of the wrong type, or the plan is invalid.
    """
    from stress.run.scenario_plan import make_scenario_plan  # noqa: PLC0415  # see above

    return make_scenario_plan(scenario, options)


def run(
    plan: str | Plan,
    *,
    output: Path | str = RESULTS,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> StoredRun:
    """Run one scenario in a fresh process and a private network namespace, and store it.

    Args:
        plan: a scenario's name, or a whole plan.
        output: the folder of all runs.
        progress: called with a sentence when a stage begins.
        options: fields of ``Plan``, as of ``scenario_plan``; for a name only.

    Raises:
        UsageError: as ``scenario_plan``.
        LabError: no namespace can be made, or the world under test did not behave.
        StoreError: the run could not be written.
    """
    from stress.run import process  # noqa: PLC0415  # see above
    from stress.store import run_folder  # noqa: PLC0415

    if isinstance(plan, str):
        plan = scenario_plan(plan, **options)
    elif isinstance(plan, Plan):
        refuse_options(options)
    else:
        raise UsageError(f"{plan!r} is no scenario; give its name, or a Plan.")
    folder = Path(output)
    run_folder.check_writable(folder)
    return read_run(process.run(plan, folder, progress or (lambda _: None)))


def read_run(path: Path | str) -> StoredRun:
    """Read a run folder; its arrays are mapped into memory.

    Raises:
        UsageError: it is no run folder, is newer than this connstorm, or is damaged.
    """
    from stress.store import run_folder  # noqa: PLC0415  # see above

    observed, summary = run_folder.read(Path(path))
    return StoredRun(Path(path), observed, summary)


def server_plan(
    address: tuple[Any, ...],
    *,
    attempts: int = 1000,
    rate_per_s: float | None = 2000.0,
    duration_s: float = 5.0,
    deadline_s: float = 3.0,
    **options: Any,
) -> Plan:
    """Return the plan of a storm against a server that is there already, in this process's network namespace.

    Args:
        address: where the server listens, as its socket's ``getsockname()``; loopback only.
        attempts: connect() calls at most.
        rate_per_s: intended starts per second; None starts as fast as the window allows.
        duration_s: no attempt starts later than this after the first.
        deadline_s: an attempt is given up after this long.
        options: close, ports, window, warmup, linger2_s, seed, workers, pin, sysctls, evidence: as fields of ``Plan``.

    Raises:
        UsageError: an option that does not exist, or a value out of bounds.
    """
    from stress.run.external import external_plan  # noqa: PLC0415  # see above

    bounds = {"attempts": attempts, "rate_per_s": rate_per_s, "duration_s": duration_s, "deadline_s": deadline_s}
    return external_plan(address, bounds, options)


def storm_server(
    server: tuple[Any, ...] | Plan, *, trials: int = 1, metric: str = "body.p99", **options: Any
) -> ExternalStorms:
    """Storm a server that is there already, once per trial, each time in a fresh process.

    Args:
        server: its address, or the plan that ``server_plan`` made of that.
        trials: how many storms.
        metric: the time that ``ExternalStorms.times_s()`` returns: body.p50, body.p90, body.p99, body.p999, body.max
            or duration.
        options: as of ``server_plan``; for an address only.

    Raises:
        UsageError: as ``server_plan``; options next to a plan; or nobody listens there.
        LabError: a storm's process died or took too long.
    """
    from stress.run import external  # noqa: PLC0415  # see above

    external.refuse_metric(metric)
    external.refuse_excess("trials", trials)
    return external.run_external_storms(plan_of(server, options), trials, metric)


def storm_server_here(server: tuple[Any, ...] | Plan, **options: Any) -> StoredRun:
    """Storm a server once in this process; return all attempts. Nothing is stored.

    Args:
        server: as of ``storm_server``.
        options: as of ``server_plan``; for an address only.

    Raises:
        UsageError: as ``storm_server``.
    """
    from stress.analysis.attribution.summary import analyse  # noqa: PLC0415  # see above
    from stress.storm.external_storm import storm_external_server  # noqa: PLC0415

    observed, _, _ = storm_external_server(plan_of(server, options))
    return StoredRun(None, observed, analyse(observed).summary)


def plan_of(server: tuple[Any, ...] | Plan, options: Mapping[str, Any]) -> Plan:
    """Return the plan of a storm against a server: the given one, or one that its address and the options make."""
    if not isinstance(server, Plan):
        return server_plan(server, **options)
    refuse_options(options)
    return server


def recorded_sysctls() -> dict[str, str]:
    """Return the settings of this network namespace that every run records, by dotted name."""
    from stress.lab import sysctl  # noqa: PLC0415  # see above

    return sysctl.read_recorded({})


def run_suite(suite: Path | str | Mapping[str, Any], *, output: Path | str = RESULTS) -> Path:
    """Run a suite on this host, and return its folder.

    Args:
        suite: the path of a suite file, or what such a file says (docs/suites.md).
        output: the folder of all suites.

    Raises:
        UsageError: the suite is invalid, or another one is running on this host.
        StoreError: results cannot be written; trials that were recorded stay.
    """
    from stress.suite import runner  # noqa: PLC0415  # see above
    from stress.suite.config import load  # noqa: PLC0415
    from stress.suite.executor.local import Local  # noqa: PLC0415

    if isinstance(suite, Mapping):
        return runner.run(load.build_suite(dict(suite)), Path(output), Local())
    file = Path(suite)
    return runner.run(load.read(file), Path(output), Local(), text=file.read_text())


def suite_cells(path: Path | str) -> list[CellTrials]:
    """Return the cells of a suite folder with the trials of each.

    Raises:
        UsageError: it is no suite folder, or damaged.
    """
    from stress.suite import runner  # noqa: PLC0415  # see above

    return runner.read_cells(Path(path))


def report(*runs: Path | str, output: Path | str = "report.html", public: bool = False) -> Path:
    """Write one HTML page about stored runs, and return its path; arguments are as those of ``connstorm report``.

    Raises:
        UsageError: there is no such run, one is damaged, or none is given.
        StoreError: the file cannot be written.
    """
    from stress.compare.report import ReportQuestion, write_report  # noqa: PLC0415  # see above

    if not runs:
        raise UsageError("A page needs a run, a suite, or a folder of these.")
    return write_report(ReportQuestion(arguments=[str(run) for run in runs], is_public=public), Path(output))
