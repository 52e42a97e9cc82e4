# SPDX-License-Identifier: MIT
"""The profiles of a page: of a run, of the cells of a suite, and of the arms of a comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stress.analysis.comparison.arm_pair import ArmPair
from stress.compare.profiles import compare_storm, profile_unit, profiled_acts
from stress.compare.report_arms import Rename, list_some
from stress.model.profile import ProfileReport
from stress.model.record import Record
from stress.model.text import plural
from stress.profile.costs import ActCosts, run_costs
from stress.profile.flame import compared_flame, mean_flame
from stress.profile.mean_costs import function_costs, mean_costs
from stress.profile.sampled_storm import SampledStorm, sampled_storms
from stress.store import profile_file, run_folder
from stress.view.page.document import ProfilePart, ProfileSection
from stress.view.page.flame_part import FlameGraph, build_flames
from stress.view.page.profile_parts import book_tables, difference_tables, functions_table, named_functions
from stress.view.text.profile_wording import sentences

PROFILES_MAX = 12  # of a page
NAMED_MAX = 4  # sentences of its verdict


@dataclass(frozen=True)
class ProfiledStorm:
    """One storm of a profiled run: its costs, and its stacks."""

    costs: ActCosts
    sampled: SampledStorm


def read_storms(record: Record, path: Path) -> dict[str, ProfiledStorm]:
    """Return the profiled storms of a run folder, by the name of the act.

    Raises:
        UsageError: its profile is damaged.
    """
    stacks = profile_file.read(path)
    sampled = sampled_storms(record, stacks)
    return {costs.act: ProfiledStorm(costs, sampled[costs.act]) for costs in run_costs(record, stacks)}


def run_profile(record: Record, path: Path, rename: Rename | None) -> ProfileSection | None:
    """Return the profile of a run; None where it was not profiled.

    Raises:
        UsageError: its profile is damaged.
    """
    report = record.profiled
    if not isinstance(report, ProfileReport):
        return None
    if report.failure:
        return ProfileSection((), notes=(f"There is no profile: {report.failure}",))
    lost = f"; {report.lost:,} were lost" if report.lost else ""
    samples = sum(act.samples for act in report.acts)
    said = f"{samples:,} samples by {report.program}, {report.rate_hz:,} a second on each CPU{lost}."
    storms = {act: [storm] for act, storm in read_storms(record, path).items()}
    return storms_section(storms, rename, (said,), of_suite=False)


def suite_profiles(cells: Mapping[str, Sequence[Path]], missing: str, rename: Rename | None) -> ProfileSection | None:
    """Return the profiles of the cells of a suite, each the mean of its trials; None where none was to have one.

    Args:
        cells: the run folders of the profiles of each cell, the most important cell first.
        missing: how many trials have no profile, and why, in a sentence; "" where all have one.
        rename: for a public page, what replaces names; None leaves them.

    Raises:
        UsageError: a profile is damaged.
    """
    storms: dict[str, list[ProfiledStorm]] = {}
    left_out = []
    for cell, paths in cells.items():
        if len(storms) >= PROFILES_MAX:
            left_out.append(cell)
            continue
        trials = [read_storms(run_folder.read_document(path), path) for path in paths]
        has_acts = any(len(trial) > 1 for trial in trials)
        for trial in trials:
            for act, storm in trial.items():
                storms.setdefault(f"{cell} · {act}" if has_acts else cell, []).append(storm)
    notes = [missing] if missing else []
    if not storms:
        return ProfileSection((), notes=tuple(notes)) if notes else None
    if left_out:
        notes.append(
            f"Profiles of {plural(len(left_out), 'more cell')} are not in this page: {list_some(left_out)}. connstorm "
            "report of the run in the folder profile of a trial shows that of the trial."
        )
    return storms_section(storms, rename, tuple(notes), of_suite=True)


def storms_section(
    storms: Mapping[str, Sequence[ProfiledStorm]], rename: Rename | None, notes: tuple[str, ...], *, of_suite: bool
) -> ProfileSection:
    """Return the profiles of some storms, by their titles, each the mean over its trials."""
    parts, graphs = [], []
    for number, (title, trials) in enumerate(storms.items()):
        costs = mean_costs([trial.costs for trial in trials])
        sampled = [trial.sampled for trial in trials]
        said = f"{title}: means over {plural(len(trials), 'profiled trial')} with {costs.attempts:,} attempts in all."
        tables = tuple(book_tables(costs, number))
        functions = functions_table(function_costs(sampled), number)
        parts.append(ProfilePart(title, (said,) if of_suite else (), tables, (functions,)))
        graphs.append(FlameGraph(title, number, mean_flame(sampled)))
    return ProfileSection(tuple(parts), build_flames(graphs, rename), notes)


def compared_profiles(pairs: Sequence[ArmPair], rename: Rename | None) -> ProfileSection | None:
    """Return what differs between the profiles of pairs of arms; None where no pair has profiles on both sides.

    Args:
        pairs: the most important one first.
        rename: for a public page, what replaces names; None leaves them.

    Raises:
        UsageError: a profile is damaged.
    """
    parts: list[ProfilePart] = []
    graphs: list[FlameGraph] = []
    left_out: list[str] = []
    named: list[str] = []
    notes: list[str] = []
    for pair in pairs:
        profiled = any(run.profile for run in pair.base_runs.values()) and any(
            run.profile for run in pair.new_runs.values()
        )
        title = f"{pair.row + ': ' if pair.row else ''}{pair.new} against {pair.base}"
        if profiled and len(parts) >= PROFILES_MAX:
            left_out.append(title)
            continue
        acts, refusal = profiled_acts(pair) if profiled else ({}, "")
        if refusal:
            notes.append(f"{title}: {refusal}.")
        for act, arms in acts.items():
            name = f"{title}, {act}" if len(acts) > 1 else title
            difference = compare_storm(pair, act, arms)
            unit = profile_unit(pair)
            units = f"{len(arms[0]):,} and {plural(len(arms[1]), f'profiled {unit}')}."
            said = list(sentences(difference, unit))
            reasons = named_functions(difference.functions)
            named += [f"{name}, by the profiles: {sentence}." for sentence in said[: len(reasons)]]
            number = len(parts)
            changed, functions = difference_tables(difference, number)
            parts.append(ProfilePart(name, (f"{name}: {units}", *said), (changed,), (functions,)))
            graphs.append(FlameGraph(name, number, compared_flame(arms), (pair.base, pair.new), reasons))
    if not parts and not notes:
        return None
    if left_out:
        notes.append(f"Not in this page: {list_some(left_out)}; connstorm compare --profile prints all.")
    return ProfileSection(tuple(parts), build_flames(graphs, rename), tuple(notes), tuple(named[:NAMED_MAX]))
