# SPDX-License-Identifier: MIT
"""The profiles of compared runs: which functions the change of each pair of arms came from."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stress.analysis.comparison.arm_pair import ArmPair
from stress.model.errors import UsageError
from stress.model.observation import Observation
from stress.profile.across_kernels import judge_across_kernels
from stress.profile.change import Change
from stress.profile.difference import ActDifference, FunctionChange, compare_act
from stress.profile.sampled_storm import Arms, SampledStorm, sampled_storms
from stress.store import profile_file, run_folder
from stress.view.text.unprofiled_wording import unprofiled_sentence

NO_PROFILES = (
    "No pair of these arms has a profile on both sides. Set profile = true in the suite file and run it again, or make "
    "single runs with connstorm run SCENARIO --profile."
)
EMULATED = "profiles are not compared, for on an emulated CPU a function costs what it takes to emulate it"
RATES_WHY = "for each sample makes what runs slower"
RATES = f"profiles are not compared that were sampled at different rates ({{}} a second), {RATES_WHY}"
Storms = dict[str, SampledStorm]


@dataclass(frozen=True)
class PairProfile:
    """The profiles of a pair of arms, compared.

    Attributes:
        row: its name.
        base: of the base arm.
        new: of the new arm.
        unit: what one value stands for: "trial", or "session" where the arms share none.
        acts: the storms that both arms have a profile of.
    """

    row: str
    base: str
    new: str
    unit: str
    acts: list[ActDifference]


def compare_profiles(pairs: Sequence[ArmPair]) -> tuple[list[PairProfile], list[str]]:
    """Return the pairs that have profiles on both sides, compared, and a sentence for each of the others.

    Arms of one session are compared trial by trial; those that share none by the means of their sessions.

    Raises:
        UsageError: no pair has profiles on both sides, or one is damaged.
    """
    compared, warnings = [], list(unprofiled_warnings(pairs))
    for pair in pairs:
        profile = compare_pair(pair)
        if isinstance(profile, PairProfile):
            compared.append(profile)
        else:
            warnings.append(f"{pair.row or 'these runs'}: {profile}")
    if not compared:
        refused = [text for text in warnings if text.endswith((EMULATED, RATES_WHY))]
        raise UsageError(f"{refused[-1]}." if refused else NO_PROFILES)
    return compared, warnings


def compare_pair(pair: ArmPair) -> PairProfile | str:
    """Return the profiles of a pair, compared, or in a phrase why they are not.

    Raises:
        UsageError: one is damaged.
    """
    acts, refusal = profiled_acts(pair)
    if refusal:
        return refusal
    differences = [compare_storm(pair, act, arms) for act, arms in acts.items()]
    return PairProfile(pair.row, pair.base, pair.new, profile_unit(pair), differences)


def compare_storm(pair: ArmPair, act: str, arms: Arms) -> ActDifference:
    """Return how the profiles of one storm of a pair differ; between kernels less is named."""
    difference = compare_act(act, arms)
    is_across = len({run.host.kernel for run in pair.runs if run.profile is not None}) > 1
    return judge_across_kernels(arms, difference) if is_across else difference


def unprofiled_warnings(pairs: Sequence[ArmPair]) -> Iterator[str]:
    """Yield how many trials of each arm have no profile although one was wanted, and why."""
    runs: dict[str, dict[Path, Observation]] = {}
    for pair in pairs:
        for name, of_arm in ((pair.base, pair.base_runs), (pair.new, pair.new_runs)):
            runs.setdefault(name, {}).update({run.path: run for run in of_arm.values()})
    for name, of_name in runs.items():
        wanted = [run for run in of_name.values() if run.profile is not None or run.unprofiled]
        if text := unprofiled_sentence((run.unprofiled for run in wanted if run.unprofiled), len(wanted)):
            yield f"{name}: {text.rstrip('.')}"


def profile_unit(pair: ArmPair) -> str:
    """Return what one value of a pair stands for."""
    return "session" if pair.is_apart else "trial"


def profiled_acts(pair: ArmPair) -> tuple[dict[str, Arms], str]:
    """Return the storms that both arms have a profile of, by the name of the act, or in a phrase why none is compared.

    Raises:
        UsageError: a profile is damaged.
    """
    if any(run.host.emulated for run in pair.runs if run.profile is not None):
        return {}, EMULATED
    base, new = (
        [unit for unit in arm_units(list(runs.values()), by_session=pair.is_apart) if unit]
        for runs in (pair.base_runs, pair.new_runs)
    )
    rates = {storm.rate_hz for unit in (*base, *new) for storms in unit for storm in storms.values()}
    if base and new and len(rates) > 1:
        return {}, RATES.format(", ".join(f"{rate_hz:,}" for rate_hz in sorted(rates)))
    acts = [act for act in (base[0][0] if base and new else {}) if all(act in s for u in (*base, *new) for s in u)]
    if not acts:
        without = " and ".join(name for name, units in ((pair.base, base), (pair.new, new)) if not units)
        return {}, f"no profile in {without or 'a storm that both have'}"
    return {
        act: ([[s[act] for s in unit] for unit in base], [[s[act] for s in unit] for unit in new]) for act in acts
    }, ""


def arm_units(runs: Sequence[Observation], *, by_session: bool) -> list[list[Storms]]:
    """Return the profiled storms of the runs that have a profile: one list for each trial, or for each session."""
    units: dict[str, list[Storms]] = {}
    for number, run in enumerate(runs):
        if run.profile is not None:
            storms = sampled_storms(run_folder.read_document(run.profile), profile_file.read(run.profile))
            if storms:
                units.setdefault(run.session if by_session else str(number), []).append(storms)
    return list(units.values())


def profile_object(pair: PairProfile) -> dict[str, Any]:
    """Return a pair as ``--json`` prints it."""
    acts = [act_object(act) for act in pair.acts]
    return {"row": pair.row, "base": pair.base, "new": pair.new, "unit": pair.unit, "acts": acts}


def act_object(act: ActDifference) -> dict[str, Any]:
    """Return a storm as ``--json`` prints it."""
    return {
        "act": act.act,
        "units": list(act.units),
        "measured": change_object(act.measured),
        "whole": change_object(act.whole),
        "across_kernels": act.across_kernels,
        "functions": [function_object(function) for function in act.functions],
    }


def function_object(function: FunctionChange) -> dict[str, Any]:
    """Return a function of a storm as ``--json`` prints it."""
    names = ("name", "client_ns", "adjusted_p", "changed", "named", "moved", "displaced")
    return {
        **{name: getattr(function, name) for name in names},
        "change": change_object(function.change),
        "share": None if function.share is None else asdict(function.share),
        "places": [
            {
                "whose": place.whose,
                "call": place.call,
                "change": change_object(place.change),
                "changed": place.changed,
            }
            for place in function.places
        ],
    }


def change_object(change: Change) -> dict[str, float | None]:
    """Return a change as ``--json`` prints it."""
    return {**asdict(change), "ns": change.ns}
