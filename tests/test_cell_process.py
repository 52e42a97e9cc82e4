# SPDX-License-Identifier: MIT
"""A cell in a process of its own: what a kill of that process leaves."""

import shutil
import signal

import pytest

from stress.lab import wait
from stress.model.plan import Plan
from stress.model.progress import ignore_progress
from stress.run.process import CellProcess

TRIES = 5  # on a busy machine a run may be stored before the kill comes


def test_a_cell_that_is_killed_while_it_stores_its_run_leaves_nothing(tmp_path):
    for _ in range(TRIES):
        cell = CellProcess(Plan(scenario="clean", attempts=20), tmp_path)
        wait.wait_until(lambda: any(tmp_path.iterdir()), 30, 0.001)
        cell.process.send_signal(signal.SIGKILL)
        result = cell.wait(ignore_progress)
        if result.path is None:
            break
        shutil.rmtree(result.path)
    assert result.failure is not None
    if "namespace" in result.failure.text:
        pytest.skip("this kernel refuses private network namespaces")
    assert "SIGKILL" in result.failure.text
    assert list(tmp_path.iterdir()) == []
