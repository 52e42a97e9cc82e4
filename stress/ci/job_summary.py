# SPDX-License-Identifier: MIT
"""The summary of a CI job, in Markdown: the verdict, notes, the tables of gate and suite, the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stress.model.errors import UsageError
from stress.store import suite_folder, verdict_file
from stress.store.verdict_file import VerdictFile
from stress.suite.cell_results import read_cell_trials
from stress.view.text.markdown import escape, fold_away
from stress.view.text.suite_markdown import suite_markdown


@dataclass(frozen=True)
class GateResults:
    """What a gate left in its folder.

    Attributes:
        verdict: its verdict.json; None: it did not come that far.
        summary: its summary.md, or ``""``.
    """

    verdict: VerdictFile | None
    summary: str


def read_gate(folder: Path) -> GateResults:
    """Return what a gate left in its folder; nothing where it wrote nothing.

    Raises:
        UsageError: a file is damaged.
    """
    file, summary = folder / verdict_file.VERDICT_NAME, folder / verdict_file.SUMMARY_NAME
    return GateResults(
        verdict_file.read(file) if file.is_file() else None, summary.read_text() if summary.is_file() else ""
    )


def job_summary(name: str, gate: GateResults, notes: Sequence[str], *, suite: Path | None, page: str) -> str:
    """Return the summary of a job.

    Args:
        name: of the gate.
        gate: what it left.
        notes: sentences that come before its table.
        suite: the folder of the suite that was run; None if there is none.
        page: the address of the page with everything; ``""`` if there is none.
    """
    verdict = gate.verdict.verdict if gate.verdict is not None else "no verdict"
    blocks = [f"## connstorm {escape(name)}: {verdict}"]
    if notes:
        blocks.append("\n".join(f"> ⚠️ {escape(note)}" for note in notes))
    if gate.summary:
        blocks.append(gate.summary.rstrip())
    if suite is not None and (table := suite_table(suite)):
        blocks.append(fold_away("all cells", table))
    if page:
        blocks.append(f"[Report page, figures and all results]({page})")
    return "\n\n".join(blocks) + "\n"


def suite_table(folder: Path) -> str:
    """Return the table of a suite; ``""`` where the folder is damaged, for the gate has said so."""
    try:
        return suite_markdown(read_cell_trials(folder, suite_folder.read(folder))).rstrip()
    except UsageError:
        return ""
