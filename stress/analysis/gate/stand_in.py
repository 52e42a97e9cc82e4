# SPDX-License-Identifier: MIT
"""Stand-ins for planned trials without a result, so that rows and filters apply to them as to stored runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stress.analysis.comparison.dimension import ABSENT
from stress.analysis.comparison.projection import Row
from stress.model.observation import Observation
from stress.model.planned import PlannedTrial, TrialState
from stress.model.summary import Body, Mines, Summary

NOTHING = Summary(
    attempts=0,
    duration_s=0.0,
    rate_per_s=0.0,
    outcomes={},
    causes={},
    body=Body(None, None, None, None, None),
    intended=None,
    bands=[],
    retransmits=0,
    collisions=0,
    mines=Mines(0, 0, 0),
    acts=[],
    verdict=None,
    figures=[],
    evidence=[],
    books=[],
    warnings=[],
)


@dataclass(frozen=True, kw_only=True)
class StandIn(Observation):
    """What is known, without a run, of a planned trial that has no result."""

    trial: PlannedTrial


def stand_ins(planned: Iterable[PlannedTrial], runs: Sequence[Observation], label: str) -> list[StandIn]:
    """Return a stand-in for each planned trial of an arm that is not done.

    Args:
        planned: the trials of the arm.
        runs: those of the arm, whose settings are taken for those of other trials on the same machine.
        label: of the arm.
    """
    return [stand_in(trial, runs, label) for trial in planned if trial.state is not TrialState.DONE]


def stand_in(trial: PlannedTrial, runs: Sequence[Observation], label: str) -> StandIn:
    """Return the stand-in for one trial."""
    return StandIn(
        trial=trial,
        path=trial.run or Path(trial.name or trial.cell),
        label=label,
        scenario=trial.scenario,
        cell=trial.cell,
        started_utc="",
        program=runs[0].program if runs else "",
        host=trial.machine,
        plan=trial.plan,
        settings=likely_settings(trial, runs),
        summary=NOTHING,
        evidence=trial.plan.evidence.value,
        group=trial.group,
        block=trial.block,
        baseline=trial.baseline,
        measures=trial.measures,
        arm=trial.arm,
    )


def likely_settings(trial: PlannedTrial, runs: Sequence[Observation]) -> dict[str, str]:
    """Return the settings that a trial would have had: its own, and those that no run on its machine has changed."""
    host = trial.machine
    alike = [run for run in runs if run.cell == trial.cell] or [
        run for run in runs if (run.host.testbed, run.host.kernel) == (host.testbed, host.kernel)
    ]
    settings: dict[str, str] = {}
    for run in alike:
        own = {name: value for name, value in run.settings.items() if name not in run.plan.sysctls}
        settings = own | settings
    return {name: value for name, value in settings.items() if value != ABSENT} | trial.plan.sysctls


@dataclass(frozen=True)
class GateRow:
    """A row whose new arm was planned.

    Attributes:
        name: of the row.
        base: runs of the base.
        new: runs of the new arm.
        absent: planned trials of the new arm that have no result.
        columns: names of the base's column, if it has runs here, and of the new arm's.
    """

    name: str
    base: list[Observation]
    new: list[Observation]
    absent: list[PlannedTrial]
    columns: tuple[str, str]

    @property
    def row(self) -> Row:
        """The runs as the row of a comparison."""
        sides = zip(self.columns, (self.base, self.new), strict=True)
        return Row(self.name, {name: runs for name, runs in sides if runs})

    @property
    def scenarios(self) -> set[str]:
        """The scenarios, or labels of entries, of all runs and trials."""
        return {run.scenario for run in [*self.base, *self.new]} | {trial.scenario for trial in self.absent}

    @property
    def is_timed(self) -> bool:
        """Whether the new arm's times are valid, or without a new arm the base's."""
        trials = [trial.measures and not trial.machine.emulated for trial in self.absent]
        mine = [*(run.timed for run in self.new), *trials]
        return all(mine or [run.timed for run in self.base])


def set_apart(rows: Iterable[Row], new: str) -> list[GateRow]:
    """Return rows of stored runs and stand-ins, apart; ``new`` is the name of the new arm's column."""
    parts = []
    for row in rows:
        runs = {name: [run for run in cells if not isinstance(run, StandIn)] for name, cells in row.columns.items()}
        absent = [run.trial for run in row.columns.get(new, ()) if isinstance(run, StandIn)]
        base = next((name for name, cells in runs.items() if name != new and cells), "base")
        parts.append(GateRow(row.name, runs.get(base, []), runs.get(new, []), absent, (base, new)))
    return parts


def absent_here(runs: Iterable[Observation]) -> list[PlannedTrial]:
    """Return base runs as trials that the new arm should have, and does not plan."""
    return [
        PlannedTrial(
            name="",
            cell=run.cell,
            scenario=run.scenario,
            block=run.block,
            host="",
            state=TrialState.MISSING,
            reason="the new arm has no such cell",
            run=None,
            plan=run.plan,
            machine=run.host,
            measures=run.measures,
        )
        for run in runs
    ]


def trial_of_run(run: Observation, name: str, reason: str) -> PlannedTrial:
    """Return a run that has no value of a metric as a trial without a value."""
    return PlannedTrial(
        name=name,
        cell=run.cell,
        scenario=run.scenario,
        block=run.block,
        host="",
        state=TrialState.VALUELESS,
        reason=reason,
        run=run.path,
        plan=run.plan,
        machine=run.host,
        group=run.group,
        measures=run.measures,
        baseline=run.baseline,
    )
