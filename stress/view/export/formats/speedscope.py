# SPDX-License-Identifier: MIT
"""Profiles as speedscope reads them: one for each storm of each run, in ns of CPU time."""

from collections.abc import Iterator, Sequence
from typing import IO, Any

import msgspec

from stress.view.export.format import Format
from stress.view.export.profiled_run import ProfiledRun

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def write(runs: Sequence[ProfiledRun], stream: IO[bytes]) -> None:
    """Write the stacks of runs."""
    frames: dict[str, int] = {}
    profiles = [profile for run in runs for profile in storm_profiles(run, frames)]
    document = {
        "$schema": SCHEMA,
        "exporter": "connstorm",
        "name": runs[0].name if len(runs) == 1 else f"{len(runs)} runs",
        "shared": {"frames": [{"name": name} for name in frames]},
        "profiles": profiles,
    }
    stream.write(msgspec.json.encode(document) + b"\n")


def storm_profiles(run: ProfiledRun, frames: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Yield a profile for each storm of a run; ``frames`` gets the place of each frame that is new."""
    for act in run.report.acts:
        samples, weights = [], []
        for stack, count in run.of_act(act.act):
            samples.append([frames.setdefault(frame, len(frames)) for frame in stack])
            weights.append(count * run.report.period_ns)
        yield {
            "type": "sampled",
            "name": f"{run.name} {act.act}",
            "unit": "nanoseconds",
            "startValue": 0,
            "endValue": sum(weights),
            "samples": samples,
            "weights": weights,
        }


FORMATS = {
    "speedscope": Format(".speedscope.json", "stacks of profiled runs", profile=write, separates=True, position=12)
}
