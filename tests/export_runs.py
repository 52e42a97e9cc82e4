# SPDX-License-Identifier: MIT
"""Real runs to export, and variants of them as another kernel would have left them."""

import json
import shutil
import subprocess
import sys

import msgspec

from stress.model.plan import Plan
from stress.storm.catalogue import SCENARIOS

RUN_CELL = [sys.executable, "-m", "stress", "run-cell", "--no-draw"]
PORTS = (40000, 40255)


def a_real_run(results, **changes):
    """Run ``closewait`` with some changes by the real command; return its folder."""
    fields = {"mines": 20, "port_range": PORTS, "attempts": 400} | changes
    plan = msgspec.convert(msgspec.structs.asdict(SCENARIOS["closewait"].plan) | fields, Plan)
    ended = subprocess.run(
        [*RUN_CELL, "-o", str(results)], input=msgspec.json.encode(plan), capture_output=True, check=False
    )
    last = json.loads(ended.stdout.splitlines()[-1])
    assert last["type"] == "done", last
    return results / last["path"].rpartition("/")[2]


def variant(folder, results, change):
    """Copy a run and change what its run.json says; return the copy."""
    copy = results / folder.name
    results.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder, copy)
    file = copy / "run.json"
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))
    return copy
