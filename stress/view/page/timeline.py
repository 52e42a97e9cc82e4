# SPDX-License-Identifier: MIT
"""The timeline of a page: what its template, scripts and data blocks need."""

import errno
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stress.analysis.attribution.cause import CAUSES
from stress.model.chunk import count_values
from stress.model.outcome import Cause
from stress.model.text import json_bytes
from stress.view.page.attempt_columns import (
    ALL_EXACT_MAX,
    BLOCK,
    EXACT_MAX,
    FIELDS,
    PackedAttempts,
    TimelineStorm,
    pack_attempts,
    page_proof_names,
)
from stress.view.page.cause_marks import CAUSE_MARKS
from stress.view.page.columns import Column
from stress.view.page.document import Interactive
from stress.view.page.inlined import DataBlock
from stress.view.text.count_wording import name_in_words

TEMPLATE = "timeline.html"
STYLES = ("vendor/uPlot.min.css", "assets/timeline.css")
SCRIPTS = (
    "vendor/uPlot.iife.min.js",
    *(f"assets/{name}.js" for name in ("columns", "numbers", "address")),
    *(f"assets/timeline_{part}.js" for part in ("attempts", "axes", "view", "counts", "canvas", "linked", "table")),
    "assets/timeline.js",
)
RUN = "RUN"  # in commands of a page that names no run


@dataclass(frozen=True)
class Arm:
    """What is switched on and off together: an act of a run, a cell of a suite, a side of a comparison."""

    name: str
    storms: Sequence[TimelineStorm]


def build_timeline(
    arms: Sequence[Arm], *, is_public: bool = False, all_max: int = ALL_EXACT_MAX, exact_max: int = EXACT_MAX
) -> Interactive:
    """Return the timeline of some arms, at least one attempt in all.

    Args:
        arms: in their order in the page.
        is_public: whether commands leave the run to the reader, who does not have it under its name here.
        all_max: with no more attempts, all their records are in the page.
        exact_max: so many records of attempts that are not body are in it otherwise.
    """
    storms = [storm for arm in arms for storm in arm.storms]
    packed = pack_attempts(storms, all_max, exact_max)
    model = timeline_model(arms, packed, is_public=is_public)
    # "<" could end the element; JSON has another way to write it.
    text = json_bytes(model).decode().replace("<", "\\u003c")
    blocks = (DataBlock("timeline-model", "application/json", text), *map(column_block, packed.columns))
    return Interactive(TEMPLATE, timeline_context(arms, packed), SCRIPTS, STYLES, blocks)


def column_block(column: Column) -> DataBlock:
    """Return the element of a column."""
    return DataBlock(f"timeline-{column.name}", "application/octet-stream", column.text)


def timeline_context(arms: Sequence[Arm], packed: PackedAttempts) -> dict[str, object]:
    """Return what the template needs."""
    storms = [storm for arm in arms for storm in arm.storms]
    return {
        "attempts": sum(len(storm.attempts) for storm in storms),
        "arms": [arm.name for arm in arms],
        "storms": [storm.label for storm in storms],
        "has_codes": packed.has_codes,
        "can_align": can_align(storms),
        "reading": reading_text(storms, packed),
    }


def can_align(storms: Sequence[TimelineStorm]) -> bool:
    """Return whether storms began at different moments of their runs, as acts one after the other do."""
    return len({int(storm.attempts["start_ns"].min()) // 1_000_000 for storm in storms if len(storm.attempts)}) > 1


def reading_text(storms: Sequence[TimelineStorm], packed: PackedAttempts) -> str:
    """Return how to read the timeline, and what of the attempts is in the page."""
    total = sum(len(storm.attempts) for storm in storms)
    lines = (
        "Every attempt by its start and its latency. The body connected at once and has no cause to explain; "
        "everything else has a mark, the shape and colour of which say its cause. "
    )
    if not packed.has_codes:
        return f"{lines}All {total:,} records are exact."
    counted = sum(packed.counted)
    text = (
        f"{lines}All {total:,} attempts are counted, none is sampled: {sum(packed.exact):,} marked ones have their "
        f"exact record in the page; those of the body have their latency to 4 % and the exact start of every {BLOCK}th."
    )
    return f"{text} {counted:,} more with a mark are only counted." if counted else text


def timeline_model(arms: Sequence[Arm], packed: PackedAttempts, *, is_public: bool) -> dict[str, object]:
    """Return what the scripts must know to read the columns."""
    storms = [(number, storm) for number, arm in enumerate(arms) for storm in arm.storms]
    errors = sum((count_values(storm.attempts["error"], 256) for _, storm in storms), np.zeros(256, np.intp))
    totals = np.zeros(len(CAUSES), np.int64)
    for _, storm in storms:
        totals += np.bincount(storm.causes[~storm.is_body], minlength=len(CAUSES))
    codes = {column.name: column for column in packed.columns}
    present = np.flatnonzero(totals)
    return {
        "arms": [{"name": arm.name} for arm in arms],
        "storms": [
            storm_model(arm, storm, exact, counted, is_public=is_public)
            for (arm, storm), exact, counted in zip(storms, packed.exact, packed.counted, strict=True)
        ],
        "columns": {
            name: {"count": column.count, "width": column.width, "form": column.form} for name, column in codes.items()
        },
        "fields": [name for name, _ in FIELDS],
        "causes": [cause_model(cause) for cause in CAUSES],
        "present": present.tolist(),
        "totals": totals.tolist(),
        "proofs": page_proof_names(storms=[storm for _, storm in storms]),
        "errnos": {
            str(number): errno.errorcode.get(number, f"errno {number}") for number in np.flatnonzero(errors).tolist()
        },
        "canAlign": can_align([storm for _, storm in storms]),
        "hasCodes": packed.has_codes,
        "stepsPerOctave": packed.steps_per_octave,
        "lowestCode": packed.lowest_code,
        "highestCode": packed.highest_code,
        "block": BLOCK,
        "total": sum(len(storm.attempts) for _, storm in storms),
        "exact": sum(packed.exact),
        "exactOthers": int(totals.sum()) - sum(packed.counted),
        "counted": sum(packed.counted),
    }


def cause_model(cause: Cause) -> dict[str, object]:
    """Return the name of a cause and its mark."""
    shape, hue = CAUSE_MARKS[cause]
    # What has no cause and is not body is the warm-up.
    name = "no cause" if cause is Cause.NONE else name_in_words(cause)
    return {"id": cause.value, "name": name, "shape": shape, "hue": hue}


def storm_model(arm: int, storm: TimelineStorm, exact: int, counted: int, *, is_public: bool) -> dict[str, object]:
    """Return what the scripts must know of a storm."""
    starts_ns, latencies_ns = storm.attempts["start_ns"], storm.attempts["latency_ns"]
    has_any = len(storm.attempts) > 0
    return {
        "arm": arm,
        "label": storm.label,
        "run": RUN if is_public else storm.run,
        "act": storm.act,
        "first": storm.first,
        "count": len(storm.attempts),
        "exact": exact,
        "counted": counted,
        "start_ns": int(starts_ns.min()) if has_any else 0,
        "end_ns": int(starts_ns.max()) if has_any else 0,
        "fastest_ns": int(latencies_ns.min()) if has_any else 0,
        "slowest_ns": int(latencies_ns.max()) if has_any else 0,
    }
