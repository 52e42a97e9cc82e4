# SPDX-License-Identifier: MIT
"""Draw docs/sysctls.png again from the table in docs/sysctls.md, of which the trials themselves are not stored.

``python docs/generate/sysctls_picture.py``; numbers have the three digits that the table has.
"""

import re
from pathlib import Path

from stress.analysis.comparison.suite_changes import CellChanges, MetricChange
from stress.analysis.metric import Metric, find_metric
from stress.analysis.statistics.trials import TIMED_UNITS, Effect, Estimate
from stress.view.figure.save import save_figure
from stress.view.figure.suite.changes import changes_figure
from stress.view.text.change_wording import changes_headline
from stress.view.text.metric_wording import PICTURED, name_text

DOCS = Path(__file__).parents[1]
UNITS = {"ns": 1.0, "µs": 1e3, "ms": 1e6, "s": 1e9, "k": 1e3, "M": 1e6, "": 1.0}
NUMBER = re.compile(r"(?P<number>[\d.,]+)(?P<large>[kM]?)\s*(?P<unit>ns|µs|ms|s)?(?=$|[\s)–,;])")
CHANGE = re.compile(
    r"[▲▼] (?P<name>[\w ]+?) (?P<value>[×+−]\S+?)(?: \((?P<low>\S+) to (?P<high>\S+)\))?(?:, (better|worse))?$"
)
LEVEL = re.compile(r"(?P<trials>\d+) trials of each of")


def numbers(text: str) -> list[float]:
    """Return the numbers of a cell: the median, and the ends of its interval if it has one."""
    parts = list(NUMBER.finditer(text))
    units = [part["unit"] for part in parts if part["unit"]]
    shared = units[-1] if units else ""  # '12.8–12.9 µs' has its unit once
    return [
        float(part["number"].replace(",", "")) * UNITS[part["large"]] * UNITS[part["unit"] or shared] for part in parts
    ]


def change_value(text: str) -> float:
    """Return a change: a ratio, or a difference with its sign."""
    value = numbers(text.lstrip("×+−"))[0]
    return -value if text.startswith("−") else value


def read_effects(remarks: str, trials: int) -> dict[str, Effect]:
    """Return the changes of a row by the name of the metric in words."""
    effects = {}
    for match in map(CHANGE.match, remarks.split("; ")):
        if match:
            median, low, high = (change_value(match[part] or match["value"]) for part in ("value", "low", "high"))
            kind = "ratio" if match["value"].startswith("×") else "difference"
            effects[match["name"]] = Effect(kind, median, low, high, trials, 0.98, changes=True)
    return effects


def compare(metric: Metric, base: str, new: str, effect: Effect | None, trials: int) -> MetricChange:
    """Return a metric of a row; without an effect in the table it did not change surely."""
    (old, *_), values = numbers(base), numbers(new)
    estimate = Estimate(values[0], min(values[1:] or values), max(values[1:] or values), trials, 0.98)
    kind = "ratio" if metric.unit in TIMED_UNITS else "difference"
    same = 1.0 if kind == "ratio" else 0.0
    return MetricChange(metric, old, estimate, effect or Effect(kind, same, same, same, trials, 0.98, changes=False))


def main() -> None:
    text = (DOCS / "sysctls.md").read_text()
    measured = next(line for line in text.splitlines() if LEVEL.search(line))
    trials = int(LEVEL.search(measured)["trials"])  # type: ignore[index]
    metrics = [find_metric(name) for name in PICTURED]
    cells, baselines = [], {}
    for line in text.splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if len(row) != len(metrics) + 4 or row[0] in ("scenario", "---"):
            continue
        entry, setting, level, *values, remarks = row
        if setting == "baseline":
            baselines[entry] = values
            continue
        effects = read_effects(remarks, trials)
        compared = tuple(
            compare(metric, base, new, effects.get(name_text(metric)), trials)
            for metric, base, new in zip(metrics, baselines[entry], values, strict=True)
        )
        cells.append(CellChanges(entry, {setting.strip("`"): level}, compared))
    caption = [measured.rstrip("."), "drawn from the table in docs/sysctls.md"]
    save_figure(changes_figure(cells, f"sysctls: {changes_headline(cells)}", caption), DOCS / "sysctls.png")


main()
