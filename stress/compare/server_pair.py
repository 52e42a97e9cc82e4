# SPDX-License-Identifier: MIT
"""Two servers compared in one suite: the suite that storms both in the same blocks, and the verdict on its results."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stress.analysis.comparison.verdict import Comparison, Verdict
from stress.compare.arms import Question, compare_all, compare_arms
from stress.compare.gate import INCONCLUSIVE, NO_DATA, REGRESSED
from stress.model.arm import ARM_NAME, PORT_WORD
from stress.model.errors import UsageError
from stress.model.suite import Status
from stress.model.text import plural
from stress.run.against import SCENARIO, best_evidence
from stress.store import suite_folder
from stress.store.runs import split_label
from stress.suite import order

NAME = "ab"  # of the suite
DEFAULT_NAMES = ("A", "B")
DEFAULT_READY = "tcp:8000"
SETTLE_S = 2.0  # both are compared within blocks, which a busy machine slows alike
SHOWN_NAME = 20  # longer words that differ make no name
EXIT_CODES = {"regressed": REGRESSED, "no-data": NO_DATA, "inconclusive": 0, "passed": 0}


@dataclass(frozen=True)
class PairResult:
    """Two servers, compared.

    Attributes:
        comparisons: of all metrics; empty where a server has no trial that is done.
        warnings: sentences.
        absent: why trials have no result: one sentence per arm and reason.
    """

    comparisons: list[Comparison]
    warnings: list[str]
    absent: list[str]

    @property
    def verdict(self) -> str:
        """The most severe result of the metrics that gate, in a word, as that of a gate."""
        verdicts = {comparison.verdict for comparison in self.comparisons if comparison.gating}
        if Verdict.REGRESSED in verdicts:
            return "regressed"
        if self.absent or not verdicts or Verdict.NO_DATA in verdicts:
            return "no-data"
        return "inconclusive" if Verdict.INCONCLUSIVE in verdicts else "passed"

    def exit_code(self, *, strict: bool) -> int:
        """Return the exit code of the verdict, as that of a gate."""
        return INCONCLUSIVE if strict and self.verdict == "inconclusive" else EXIT_CODES[self.verdict]


def pair_document(
    commands: Sequence[str], ready: str | None, *, trials: int, attempts: int, rate_per_s: float, exprs: Sequence[str]
) -> dict[str, Any]:
    """Return the suite file of two servers, as tables.

    Args:
        commands: ``[NAME=]COMMAND`` of each, the base first.
        ready: where they listen; None: at a port of our choice, which both commands have a place for.
        trials: of each.
        attempts: of a trial.
        rate_per_s: of them.
        exprs: what must hold; none for the metrics that always gate.

    Raises:
        UsageError: nothing says where they listen, or they have one name.
    """
    given = [split_name(text) for text in commands]
    names = [
        name or usual for (name, _), usual in zip(given, differing_names([text for _, text in given]), strict=True)
    ]
    if len(set(names)) < len(names):
        raise UsageError(f"Both servers are called {names[0]}; give them names of their own: old=COMMAND new=COMMAND.")
    if ready is None and not all(PORT_WORD in command for _, command in given):
        raise UsageError(
            f"Where do they listen? Write {PORT_WORD} for the port in both commands, or give --ready tcp:PORT."
        )
    place = ready or DEFAULT_READY
    return {
        "name": NAME,
        "trials": trials,
        "settle_s": SETTLE_S,
        "defaults": {"attempts": attempts, "rate_per_s": rate_per_s, "evidence": best_evidence().value},
        "scenario": [{"name": SCENARIO}],
        "gate": [{"expr": expr} for expr in exprs],
        "arm": [{"name": name, "serve": text, "ready": place} for name, (_, text) in zip(names, given, strict=True)],
    }


def split_name(text: str) -> tuple[str, str]:
    """Return the name and the command of ``NAME=COMMAND``, ``""`` for a command alone."""
    name, command = split_label(text)
    return (name, command) if name and ARM_NAME.fullmatch(name) else ("", text)


def differing_names(commands: Sequence[str]) -> tuple[str, str]:
    """Return names for two commands: the one word in which they differ, as the last part of a path; else A and B."""
    try:
        first, second = map(shlex.split, commands)
    except ValueError:  # a quote without end, which the suite's own check reports
        return DEFAULT_NAMES
    differing = [pair for pair in zip(first, second, strict=False) if pair[0] != pair[1]]
    if len(first) != len(second) or len(differing) != 1:
        return DEFAULT_NAMES
    one, other = (Path(word).name for word in differing[0])
    fine = one != other and all(len(name) <= SHOWN_NAME and ARM_NAME.fullmatch(name) for name in (one, other))
    return (one, other) if fine else DEFAULT_NAMES


def toml_text(document: dict[str, Any]) -> str:
    """Return a suite's tables as a suite file, so that a folder of the suite has one."""
    scalars = "".join(f"{key} = {json.dumps(value)}\n" for key, value in document.items() if is_scalar(value))
    tables = "".join(
        f"\n[{head}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        for name, value in document.items()
        if not is_scalar(value)
        for head, table in ([(name, value)] if isinstance(value, dict) else [(f"[{name}]", table) for table in value])
    )
    return scalars + tables


def is_scalar(value: object) -> bool:
    """Return whether a value is neither a table nor several."""
    return not isinstance(value, dict | list)


def pair_question(path: Path, results: Path, *, allow_busy: bool = False) -> Question:
    """Return the question that compares the two arms of a suite folder, also where the machine was busy if allowed."""
    file = suite_folder.read(path)
    arms = tuple(f"{cell.arm}={path}#{cell.name}" for cell in file.cells)
    return Question(arms=arms, results=results, allow_busy=allow_busy)


def compare_pair(path: Path, question: Question) -> PairResult:
    """Compare the two servers of a suite folder, as ``pair_question`` asks.

    Raises:
        UsageError: a trial's folder is damaged.
    """
    absent = absent_trials(path)
    file = suite_folder.read(path)
    done = {record.trial.cell for record in suite_folder.read_records(path).values() if record.status is Status.DONE}
    if len(done) < len(file.cells):
        return PairResult([], [], absent)
    matched = compare_arms(question)
    return PairResult(compare_all(matched, ()), matched.warnings, absent)


def absent_trials(path: Path) -> list[str]:
    """Return why trials of a suite folder have no result: one sentence per arm and reason."""
    file, records = suite_folder.read(path), suite_folder.read_records(path)
    reasons: dict[tuple[str, str], int] = {}
    for trial in order.ordered_trials(file.suite, file.cells, len(file.hosts)):
        record = records.get(trial.number)
        if record is None or record.status is not Status.DONE:
            reason = "They were not run." if record is None else record.reason or f"{record.status.value}."
            key = (file.cell(trial.cell).arm, reason)
            reasons[key] = reasons.get(key, 0) + 1
    return [
        f"{arm}: {count} of {plural(file.suite.trials, 'trial')} without a result: {reason}"
        for (arm, reason), count in reasons.items()
    ]
