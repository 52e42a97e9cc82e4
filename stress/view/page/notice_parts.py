# SPDX-License-Identifier: MIT
"""What a reader must know before the figures: a busy machine, differences, warnings, books that do not balance."""

from collections.abc import Iterable, Iterator, Sequence

from stress.analysis.statistics.trials import CellTrials
from stress.model.record import Record
from stress.model.summary import Summary
from stress.view.page.document import Notice
from stress.view.text.busy_wording import busy_text
from stress.view.text.proof_wording import balance_text
from stress.view.text.run_wording import stalls_text

WARNINGS_MAX = 10  # that a page repeats
BUSY, DIFFERENCE, WARNING = "busy machine", "uncontrolled difference", "warning"
BOOKS, INCOMPLETE, FAILED = "books", "incomplete", "failed"


def run_notices(record: Record, summary: Summary) -> Iterator[Notice]:
    """Yield what a reader of one run must know."""
    if record.interrupted:
        yield Notice(
            INCOMPLETE, "the run was interrupted; the figures are of what was recorded until then.", grave=True
        )
    if stolen_ms := sum(act.stolen_ms for act in record.acts):
        text = f"{stolen_ms:,} ms of CPU time were taken away by a hypervisor during the storm."
        yield Notice(BUSY, text, grave=True)
    if stalls := stalls_text(record):
        yield Notice(BUSY, f"{stalls}.", grave=True)
    if record.host.emulated:
        yield Notice(DIFFERENCE, "the CPU is emulated: its times say nothing about a real one.", grave=True)
    if any(not claim.balanced for claim in summary.books):
        yield Notice(BOOKS, f"{balance_text(summary.books)}.", grave=True)
    yield from warning_notices(summary.warnings)


def warning_notices(warnings: Iterable[str]) -> Iterator[Notice]:
    """Yield each warning once, of very many the first."""
    texts = list(dict.fromkeys(warnings))
    for text in texts[:WARNINGS_MAX]:
        yield Notice(WARNING, text)
    if more := len(texts) - WARNINGS_MAX if texts[WARNINGS_MAX:] else 0:
        yield Notice(WARNING, f"{more:,} more, each in run.json of its run.")


def trial_notices(cells: Sequence[CellTrials]) -> Iterator[Notice]:
    """Yield in how many trials of a suite the machine was not quiet."""
    if text := busy_text(cells):
        yield Notice(BUSY, f"{text}.", grave=True)
