# SPDX-License-Identifier: MIT
"""The answer to a query: everything that may be behind it on one kernel and its settings, and what is not possible."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from stress.analysis.attribution.ladder import Ladder, kernel_version
from stress.analysis.symptoms.placement import ladder_words, place_latency, places_of_resends
from stress.analysis.symptoms.query import Query
from stress.analysis.symptoms.seen import SYMPTOMS
from stress.analysis.symptoms.table import EXPLANATIONS
from stress.model.symptom import Explanation, Place, Side, Sight, Symptom, Version
from stress.model.units import duration_text


@dataclass(frozen=True)
class Possibility:
    """An explanation, and all of its sights that fit."""

    explanation: Explanation
    sights: tuple[Sight, ...]


@dataclass(frozen=True)
class Impossibility:
    """An explanation that would fit, but not on this kernel and these settings, and why."""

    explanation: Explanation
    why: str


@dataclass(frozen=True)
class Group:
    """A symptom, what it is on this kernel, and what may be behind it."""

    symptom: Symptom
    here: str
    possibilities: tuple[Possibility, ...]


@dataclass(frozen=True)
class Answer:
    """What may be behind a query.

    Attributes:
        reading: where a latency lies on this kernel's ladder, by place; empty where none was asked about.
        groups: by symptom, in the order of the table.
        elsewhere: what would fit on another kernel or with other settings of the client.
    """

    query: Query
    reading: dict[Place, str]
    groups: tuple[Group, ...]
    elsewhere: tuple[Impossibility, ...]


def answer_query(query: Query, kernel: str, ladder: Ladder, sysctls: Mapping[str, str]) -> Answer:
    """Return what may be behind a query on a client's kernel and its settings.

    Args:
        query: what is asked about.
        kernel: release of the client's kernel.
        ladder: of that kernel and its settings.
        sysctls: settings of the client's host by dotted names; those of a server are not known.
    """
    reading = read_places(query, ladder)
    places = frozenset(reading) if reading else None
    version = kernel_version(kernel)
    groups = []
    elsewhere: dict[str, Impossibility] = {}
    possible: set[str] = set()
    for symptom, by_explanation in sights_by_symptom(query, places):
        possibilities = []
        for explanation, sights in by_explanation:
            obstacles = [obstacle_text(sight, version, sysctls) for sight in sights]
            here = tuple(sight for sight, obstacle in zip(sights, obstacles, strict=True) if not obstacle)
            if here:
                possible.add(explanation.name)
                possibilities.append(Possibility(explanation, here))
            else:
                elsewhere.setdefault(explanation.name, Impossibility(explanation, obstacles[0]))
        if possibilities:
            here_text = symptom.here.format(**ladder_words(ladder))
            groups.append(Group(symptom, here_text, tuple(possibilities)))
    others = tuple(one for name, one in elsewhere.items() if name not in possible)
    return Answer(query, read_for_error(reading, query, groups), tuple(groups), others)


def read_for_error(reading: dict[Place, str], query: Query, groups: Iterable[Group]) -> dict[Place, str]:
    """Return the places of a reading at which an error that was asked about is possible; all where there is none."""
    sights = [sight for group in groups for one in group.possibilities for sight in one.sights]
    fitting = {
        place: text
        for place, text in reading.items()
        if any(sight.is_at(frozenset({place}), query.error) for sight in sights)
    }
    return fitting if query.error and fitting else reading


def read_places(query: Query, ladder: Ladder) -> dict[Place, str]:
    """Return where connect() returned, if the query says so: by a latency, by a number of resends, or by both."""
    places: dict[Place, str] = {}
    latency_ns = query.latency_ns(ladder.jiffy_ns)
    if latency_ns is not None:
        places = place_latency(latency_ns, query.rounding_ns(ladder.jiffy_ns), ladder, query.error)
    if query.resends is not None:
        by_resends = places_of_resends(query.resends, ladder)
        both = {place: places[place] for place in places if place in by_resends}
        places = both or by_resends
    return places


def sights_by_symptom(
    query: Query, places: frozenset[Place] | None
) -> Iterator[tuple[Symptom, list[tuple[Explanation, list[Sight]]]]]:
    """Yield each symptom that fits, with its explanations and those of their sights that fit."""
    for symptom in SYMPTOMS:
        if query.symptom not in (None, symptom):
            continue
        fitting = []
        for explanation in EXPLANATIONS:
            sights = [sight for sight in explanation.sights if sight.symptom == symptom]
            if query.symptom is None:
                sights = [sight for sight in sights if sight.is_at(places, query.error)]
            if sights:
                fitting.append((explanation, sights))
        if fitting:
            yield symptom, fitting


def obstacle_text(sight: Sight, version: Version, sysctls: Mapping[str, str]) -> str:
    """Return why a client of this kernel and these settings cannot see something so, or an empty text."""
    if not sight.is_on(version):
        return kernels_text(sight)
    setting = sight.setting
    if setting is not None and setting.side is Side.CLIENT:
        value = sysctls.get(setting.name)
        if value is not None and value not in setting.values:
            return f"{setting.condition} (here {value})"
    return ""


def condition_text(sight: Sight) -> str:
    """Return under which circumstances an explanation shows so: its words, kernels and the setting that it needs."""
    errors = " or ".join(sight.errnos or ())
    parts = [f"{errors}: {sight.when}" if errors and sight.when else errors or sight.when]
    parts += [kernels_text(sight), sight.setting.condition if sight.setting else ""]
    return "; ".join(filter(None, parts))


def kernels_text(sight: Sight) -> str:
    """Return on which kernels an explanation shows so, in words; empty where on all."""
    texts = [f"since Linux {version_text(sight.since)}" if sight.since > (0, 0) else ""]
    texts += [f"before Linux {version_text(sight.before)}" if sight.before else ""]
    return " and ".join(filter(None, texts))


def version_text(version: Version) -> str:
    """Return a kernel version in words: ``5.6``."""
    return ".".join(map(str, version))


def question_text(query: Query, ladder: Ladder) -> str:
    """Return what was asked, in units: ``'2 jiffies' (8 ms)``."""
    latency_ns = query.latency_ns(ladder.jiffy_ns)
    return query.text if query.unit_ns or latency_ns is None else f"{query.text} ({duration_text(latency_ns)})"
