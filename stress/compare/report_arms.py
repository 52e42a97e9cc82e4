# SPDX-License-Identifier: MIT
"""The attempts of a page: which runs have any, and which arms they make."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stress.analysis.attribution.findings import Findings
from stress.analysis.attribution.summary import analyse
from stress.model.text import join_words, plural
from stress.store import run_folder
from stress.store.run_folder import ATTEMPTS_FILE
from stress.view.page.attempt_columns import TimelineStorm
from stress.view.page.document import Interactive
from stress.view.page.run_storms import run_storms
from stress.view.page.timeline import Arm, build_timeline
from stress.view.text.verdict_lines import run_heading

ARMS_MAX = 12  # of a page; more cannot be told apart
NAMED_MAX = 12  # of those that are left out
ATTEMPTS_MAX = 12_000_000  # of a page

Rename = Callable[[str], str]


@dataclass(frozen=True)
class NamedRuns:
    """The run folders of one arm."""

    name: str
    paths: Sequence[Path]


def findings_timeline(findings: Findings, run: str, *, rename: Rename | None) -> Interactive | None:
    """Return the timeline of one run: an arm for each act. None where it has no attempt.

    Args:
        findings: of the run.
        run: what ``connstorm show`` understands.
        rename: for a public page, what replaces names; None leaves them.
    """
    storms = run_storms(findings, run, run_heading(findings.run.record.plan))
    return make_timeline([Arm(storm.act, [storm]) for storm in storms if len(storm.attempts)], rename)


def runs_timeline(groups: Iterable[NamedRuns], *, rename: Rename | None) -> tuple[Interactive | None, str]:
    """Return the timeline of several runs, and which arms have none in the page; ``""`` where all have.

    Args:
        groups: the arms, the most important first.
        rename: as of ``findings_timeline``.

    Raises:
        UsageError: a run is damaged.
    """
    arms: list[Arm] = []
    left_out: list[str] = []
    attempts = 0
    for group in groups:
        stored = [path for path in group.paths if (path / ATTEMPTS_FILE).exists()]
        if not stored:
            continue
        if len(arms) == ARMS_MAX or attempts > ATTEMPTS_MAX:
            left_out.append(group.name)
            continue
        storms = [storm for path in stored for storm in read_storms(path)]
        attempts += sum(len(storm.attempts) for storm in storms)
        arms.append(Arm(group.name, [storm for storm in storms if len(storm.attempts)]))
    arms = [arm for arm in arms if arm.storms]
    note = ""
    if left_out:
        note = (
            f"Attempts of {plural(len(arms), 'arm')} are in this page, those with changes or other causes first; of "
            f"{len(left_out):,} more there are figures only: {list_some(left_out)}. connstorm report SUITE#CELL shows "
            "any cell by itself."
        )
    return make_timeline(arms, rename), note


def list_some(names: Sequence[str]) -> str:
    """Return names as a sentence lists them; of many the first ones, and how many there are more."""
    rest = len(names) - NAMED_MAX
    return join_words([*names[:NAMED_MAX], *([plural(rest, "other")] if rest > 0 else [])])


def make_timeline(arms: Sequence[Arm], rename: Rename | None) -> Interactive | None:
    """Return the timeline of arms, with other names in a public page."""
    if not arms:
        return None
    if rename is None:
        return build_timeline(arms)
    renamed = [Arm(rename(arm.name), [rename_storm(storm, rename) for storm in arm.storms]) for arm in arms]
    return build_timeline(renamed, is_public=True)


def rename_storm(storm: TimelineStorm, rename: Rename) -> TimelineStorm:
    """Return a storm with other names."""
    fields = {name: getattr(storm, name) for name in storm.__dataclass_fields__}
    return TimelineStorm(**fields | {"label": rename(storm.label), "run": "", "act": rename(storm.act)})


def read_storms(path: Path) -> Iterator[TimelineStorm]:
    """Yield the storms of a stored run."""
    run, summary = run_folder.read(path)
    yield from run_storms(analyse(run, summary.evidence), str(path), path.resolve().name)
