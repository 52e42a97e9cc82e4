# SPDX-License-Identifier: MIT
"""The grammar of a gate: METRIC OP VALUE, such as ``body.p99 <= 1.10x``."""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, cast

from stress.analysis.metric import find_metric
from stress.model.errors import UsageError

Operator = Literal["<=", "<", ">=", ">", "==", "!="]
Kind = Literal["absolute", "ratio", "difference", "relative"]

# Each unit in ns as a power of ten, the largest first. Both the micro sign and the Greek letter mu are in use.
UNIT_POWERS = {"s": 9, "ms": 6, "µs": 3, "\N{GREEK SMALL LETTER MU}s": 3, "us": 3, "ns": 0}
PERCENT_POWER = -2
CONDITION_PATTERN = re.compile(
    r"\s*(?P<metric>[^\s<>=!]+)\s*(?P<op><=|>=|==|!=|<|>)"
    r"\s*(?P<sign>[+-]?)(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[a-zµ\N{GREEK SMALL LETTER MU}%]*)\s*"
)
GRAMMAR = (
    "write METRIC OP VALUE, where OP is <=, <, >=, >, == or !=, and VALUE is a number with or without a unit of time "
    "(200 or 5 ms), a ratio to the baseline (1.10x), a difference from it (+5 or -5 ms) or a relative one (+20%)"
)


@dataclass(frozen=True)
class Condition:
    """A requirement on a metric.

    Attributes:
        metric: name of the metric.
        op: how the metric is compared with the value.
        kind: what ``value`` is: absolute, in the metric's own unit; the ratio to the baseline; the difference from the
            baseline, in the metric's own unit; or the relative difference, 0.2 for ``+20%``.
        value: finite.
    """

    metric: str
    op: Operator
    kind: Kind
    value: float

    def __str__(self) -> str:
        """Return the condition in the grammar that ``parse_condition`` reads."""
        exact = Decimal(repr(self.value))
        sign = "" if self.kind in ("absolute", "ratio") else "+" if self.value >= 0 else "-"
        if self.kind == "ratio":
            value = f"{decimal_text(exact)}x"
        elif self.kind == "relative":
            value = f"{decimal_text(abs(exact).scaleb(-PERCENT_POWER))}%"
        else:
            value = amount_text(abs(exact), find_metric(self.metric).unit)
        return f"{self.metric} {self.op} {sign}{value}"


def parse_condition(expr: str) -> Condition:
    """Return the condition of an expression.

    Raises:
        UsageError: the expression does not follow the grammar, there is no such metric, or its unit does not fit.
    """
    match = CONDITION_PATTERN.fullmatch(expr)
    if match is None:
        raise UsageError(f"{expr!r} is no condition; {GRAMMAR}.")
    name, op, sign, number, unit = match.group("metric", "op", "sign", "number", "unit")
    measured = find_metric(name).unit
    kind, power = value_kind(sign, unit)
    if kind is None or (sign and kind == "ratio"):
        raise UsageError(f"{expr!r} has no value that can be read; {GRAMMAR}.")
    if unit in UNIT_POWERS and measured != "ns":
        what = f"is {measured}" if measured else "is a count"
        raise UsageError(f"{expr!r} gives a unit of time, but {name} {what}; leave out {unit}.")
    if op in ("==", "!=") and kind != "absolute":
        raise UsageError(
            f"{expr!r} asks for an exact {kind} value, which no measurement has; use <= or >= with a comparison to the "
            "baseline."
        )
    value = float(f"{sign}{number}e{power}")  # of the decimal digits themselves: no rounding but the last
    if not math.isfinite(value):
        raise UsageError(f"{expr!r} has a number that is too large.")
    return Condition(name, cast("Operator", op), kind, value)


def value_kind(sign: str, unit: str) -> tuple[Kind | None, int]:
    """Return the kind of a value with this sign and unit, None if there is none, and its power of ten."""
    if unit == "x":
        return "ratio", 0
    if unit == "%":
        return ("relative" if sign else None), PERCENT_POWER
    if unit and unit not in UNIT_POWERS:
        return None, 0
    return ("difference" if sign else "absolute"), UNIT_POWERS.get(unit, 0)


def amount_text(value: Decimal, unit: str) -> str:
    """Return a value with its unit; a time has the largest unit that leaves a digit before the point."""
    if unit != "ns":
        return decimal_text(value)
    name, power = next(
        ((name, power) for name, power in UNIT_POWERS.items() if value >= Decimal(10) ** power), ("ns", 0)
    )
    return f"{decimal_text(value.scaleb(-power))} {name}"


def decimal_text(value: Decimal) -> str:
    """Return a decimal without an exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
