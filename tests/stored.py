# SPDX-License-Identifier: MIT
"""Suites on disk for tests, made of a real trial by changing what the test is about."""

import copy
import json
import shutil
from pathlib import Path

FROZEN = Path(__file__).parent / "data" / "suite-schema-1"
TRIAL = FROZEN / "trials" / "0000-closewait"


def a_document(
    *, rate=40_000.0, p50=11_000, p99=18_000, attempts=10_000, retried=0, refused=0, unknown=0, stalled=0, **changes
):
    """Return a run.json; ``changes`` are ``kernel``, ``plan`` (fields), ``settings``, ``evidence``, …"""
    document = json.loads(next(TRIAL.glob("*/run.json")).read_text())
    summary = document["summary"]
    summary |= {"attempts": attempts, "rate_per_s": rate, "retransmits": retried, "collisions": retried}
    summary["outcomes"] |= {"connected": attempts - retried - refused, "retried": retried, "refused": refused}
    summary["causes"] |= {"none": attempts - retried - unknown - stalled, "closewait": retried, "unknown": unknown}
    if stalled:
        summary["causes"]["stalled"] = stalled
    document["interrupted"] = changes.get("interrupted", False)
    summary["body"] = {"p50_ns": p50, "p90_ns": p50, "p99_ns": p99, "p999_ns": p99, "max_ns": p99}
    summary["bands"][0]["count"] = retried
    document["host"]["kernel"] = changes.get("kernel", document["host"]["kernel"])
    document["host"]["emulated"] = changes.get("emulated", False)
    document["started_utc"] = changes.get("started", document["started_utc"])
    for act in (document, *document["acts"]):
        act["plan"] |= changes.get("plan", {})
    for act in document["acts"]:
        act["sysctls"] |= changes.get("settings", {})
        act["evidence"] = changes.get("evidence", "counts")
    return document


def stalls(act, share):
    """Return one stall that takes a share of the time in which attempts were started; none for 0."""
    storm = next(phase for phase in act["phases"] if phase["name"] == "storm")
    length_ns = round(share * (storm["end_ns"] - storm["start_ns"]))
    stall = {"start_ns": storm["start_ns"], "end_ns": storm["start_ns"] + length_ns, "kind": "loop", "worker": 0}
    return [stall] if length_ns else []


def a_suite(path, trials, *, suite_id="857d21", gates=(), measures=True, first_block=0):
    """Write a suite folder; ``trials`` are the documents by cell, one a block.

    In place of a document, a string is why the trial failed, and None a trial that was not run. The suite has as many
    trials as the cell with most of them.
    Suites of one ``suite_id`` share their session. With different ``first_block``s they share no block.
    """
    suite = json.loads((FROZEN / "suite.json").read_text())
    template = suite["cells"][0]
    suite["id"] = suite_id
    suite["cells"] = [
        template | {"name": cell, "scenario": cell.split()[0], "measures": measures, "baseline": " " not in cell}
        for cell in trials
    ]
    suite["suite"] |= {"gates": list(gates), "trials": max(map(len, trials.values()), default=1)}
    record = json.loads((TRIAL / "trial.json").read_text())
    record["settle"] |= {"settled": True, "running": 0}
    path.mkdir(parents=True)
    (path / "suite.json").write_text(json.dumps(suite))
    number = 0
    for cell, documents in trials.items():
        for block, document in enumerate(documents, start=first_block):
            if document is None:
                number += 1
                continue
            folder = path / "trials" / f"{number:04d}-{cell.replace(' ', '-')}"
            ended = copy.deepcopy(record) | {"run": "run", "status": "done"}
            ended["trial"] |= {"number": number, "block": block, "cell": cell}
            (folder / "run").mkdir(parents=True)
            if isinstance(document, str):
                ended |= {"run": None, "status": "failed", "reason": document}
            else:
                (folder / "run" / "run.json").write_text(json.dumps(document | {"id": f"{number:06x}"}))
            (folder / "trial.json").write_text(json.dumps(ended))
            number += 1
    return path


def jittered(count, **fields):
    """Return documents whose times differ by a per cent or two, as those of real trials do."""
    documents = []
    for trial in range(count):
        factor = 1 + 0.01 * ((trial * 7) % 5 - 2)
        times = {name: round(value * factor) for name, value in fields.items() if name in ("p50", "p99", "rate")}
        documents.append(a_document(**(fields | times)))
    return documents


def copy_track(folder):
    """Copy the first four suites of the project's own history into a new folder and return it; others are added."""
    for suite in (FROZEN.parents[2] / "results" / "history").glob("20261126*"):
        shutil.copytree(suite, folder / suite.name)
    return folder
