# SPDX-License-Identifier: MIT
"""One cell: a plan carried out in this process, analysed, drawn and stored as a run folder."""

import signal
from pathlib import Path

from stress.analysis.summary import analyse
from stress.model.notify import Notify
from stress.model.plan import Plan
from stress.store import folder
from stress.storm.trial import carry_out
from stress.view.timeline import timeline

TIMELINE = "timeline.png"


def run(plan: Plan, results: Path, notify: Notify) -> Path:
    """Carry out a plan in this process and its namespace; return the new run folder under ``results``.

    SIGINT during the storm ends it early; from then on it is ignored, so that what was recorded is also written.

    Raises:
        UsageError, LabError: as ``carry_out`` and ``folder.write``.
    """
    observed = carry_out(plan, notify)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    notify("analysing and drawing")
    findings = analyse(observed)
    return folder.write(observed, findings.summary, results, {TIMELINE: lambda path: timeline(findings, path)})
