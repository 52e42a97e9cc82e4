# SPDX-License-Identifier: MIT
"""The order of tests, and where their processes share the runs of scenarios.

Files that take longest come first, so that no process is left alone with them; those that keep both CPUs busy, with
others between them that wait.
"""

import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

# Tests start the program more than a thousand times, and half of its start-up is compiling it where nothing is cached:
# a machine whose environment says that Python shall write no bytecode takes minutes longer for the same tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# More than a thousand runs of tests, each of which would ask git which commit it is of.
os.environ.setdefault("CONNSTORM_COMMIT", "")

# A shell lets what it starts in the background ignore Ctrl-C, and so would every program that a test interrupts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# An example takes as long as a busy machine lets it.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

LONGEST = (
    "test_virtme",
    "test_scenarios",
    "test_host_runs",
    "test_suite",
    "test_golden",
    "test_worlds",
    "test_action",
    "test_cli",
    "test_calibrate",
    "test_packaging",
    "test_api",
    "test_ssh",
    "test_workers",
    "test_pytest_plugin",
    "test_export",
    "test_fleet",
    "test_ci_recipes",
    "test_arms",
    "test_history",
    "test_life",
    "test_peer_consent",
)


def place(item):
    name = item.module.__name__
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def is_chosen(item):
    mark = item.get_closest_marker("only_with")
    return mark is None or bool(os.environ.get(mark.args[0]))


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if not is_chosen(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    items[:] = sorted(filter(is_chosen, items), key=place)


@pytest.fixture(scope="session", autouse=True)
def _runs_folder(tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    os.environ["CONNSTORM_TEST_RUNS"] = str(shared / "scenario_runs")


@pytest.fixture(scope="module")
def browser():
    """Return a browser for all tests of a module."""
    from browser import running_browser

    with running_browser() as started:
        yield started
