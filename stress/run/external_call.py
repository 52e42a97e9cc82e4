# SPDX-License-Identifier: MIT
"""A storm against an external server in a process of its own, ``external_process``. Imports no numpy."""

import os
import subprocess
import sys

import msgspec

from stress.lab.pdeathsig import with_parent
from stress.model import errors
from stress.model.errors import ConnstormError, LabError
from stress.model.host import Host
from stress.model.json_text import decode_json
from stress.model.plan import EvidenceSource, Plan
from stress.model.summary import Summary
from stress.run.process import ONE_THREAD

COMMAND = (sys.executable, "-m", "stress.run.external_process")
START_LIMIT_S = 60.0  # for all that is not the storm
SAFE_PATH = {"PYTHONSAFEPATH": "1"}  # modules in the folder of the user's tests are not imported


class Value(msgspec.Struct, frozen=True):
    """The value of one metric for one storm; None where there is none."""

    value: float | None
    unit: str


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """The result of a storm.

    Attributes:
        summary: its numbers; without books, because what an external server does to the counters is not known.
        values: every metric, by name; counts also as rates per million.
        counters: changes of the kernel's counters during the storm, without those that are 0.
        host: the machine.
        evidence: where the proof of causes comes from, which may be less than the plan asks for.
        interrupted: whether it ended early.
    """

    summary: Summary
    values: dict[str, Value]
    counters: dict[str, int]
    host: Host
    evidence: EvidenceSource
    interrupted: bool


class Refusal(msgspec.Struct, frozen=True, tag="refused"):
    """Why there was no storm; ``kind`` is the name of the error's class."""

    text: str
    kind: str


def call_external_storm(plan: Plan) -> Answer:
    """Carry out a storm in a fresh process, in this process's network namespace.

    Raises:
        UsageError, LabError: the storm's own.
        LabError: the process died, or took too long.
    """
    limit_s = START_LIMIT_S + (plan.duration_s or 0) + (plan.deadline_s or 0)
    try:
        ended = subprocess.run(
            COMMAND,
            input=msgspec.json.encode(plan),
            stdout=subprocess.PIPE,
            env=with_parent(os.environ | SAFE_PATH | ONE_THREAD),
            timeout=limit_s,
            process_group=0,  # Ctrl-C is for this process, which ends the other
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"A storm did not end within {limit_s:g} s and was ended.") from error
    try:
        answer = decode_json(ended.stdout, Answer | Refusal)
    except msgspec.DecodeError as error:
        raise LabError(f"The storm's process ended with code {ended.returncode} before it had a result.") from error
    if isinstance(answer, Refusal):
        kind = getattr(errors, answer.kind, LabError)
        raise kind(answer.text) if issubclass(kind, ConnstormError) else LabError(answer.text)
    return answer
