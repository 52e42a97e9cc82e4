# SPDX-License-Identifier: MIT
"""Metrics in Prometheus' text format 0.0.4, for the textfile collector of node_exporter.

The format is three kinds of lines, and has been the same since 2014: not worth the dependency on prometheus_client,
which also loads servers that are never started. ``promtool check metrics`` reads what is written, in a test.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

PLACES_MAX = 50  # sets of labels of a metric that has one value per place
OTHER = "other"
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Labels = tuple[tuple[str, str], ...]
Samples = Mapping[Labels, float]


class Family(msgspec.Struct, frozen=True):
    """A metric: its name with unit, its type, what it says, and one value per set of labels."""

    name: str
    kind: str
    says: str
    samples: Samples


def family_text(family: Family) -> str:
    """Return the lines of a metric."""
    if not family.samples:
        return ""
    lines = [f"# HELP {family.name} {family.says}", f"# TYPE {family.name} {family.kind}"]
    for labels, value in family.samples.items():
        inside = ",".join(f'{name}="{text.translate(ESCAPES)}"' for name, text in labels)
        lines.append(f"{family.name}{{{inside}}} {value:.15g}" if inside else f"{family.name} {value:.15g}")
    return "\n".join(lines) + "\n"


def by_label(name: str, values: Mapping[str, float]) -> Samples:
    """Return one sample per value of a label."""
    return {((name, text),): value for text, value in values.items()}


def bounded(samples: Iterable[tuple[Labels, float]], combine: Callable[[float, float], float] | None = None) -> Samples:
    """Return samples of which those with equal labels are combined, and the smallest of many become ``other``.

    Args:
        samples: the first label names a place.
        combine: makes one value of two; by default their sum.
    """
    combine = combine or float.__add__
    merged: dict[Labels, float] = {}
    for labels, value in samples:
        merged[labels] = combine(merged[labels], float(value)) if labels in merged else float(value)
    ranked = sorted(merged.items(), key=lambda item: -item[1])
    shown = dict(ranked[:PLACES_MAX])
    for labels, value in ranked[PLACES_MAX:]:
        key = tuple((name, OTHER if index == 0 else "") for index, (name, _) in enumerate(labels))
        shown[key] = combine(shown[key], value) if key in shown else value
    return shown
