# SPDX-License-Identifier: MIT
"""The number type of all counts: digits, and what people write in place of many of them."""

import re
from decimal import Decimal
from typing import Any

import click

SUFFIXES = {"k": 3, "M": 6, "G": 9}
DIGITS_MAX = 18  # below 2 ** 63
WRITTEN = re.compile(r"([+-]?[0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?)([kMG]?)", re.ASCII)


class CountOption(click.ParamType[int]):
    """A whole number: ``5000000``, ``5_000_000``, ``5e6`` or ``5M``."""

    name = "count"

    def __init__(self, least: int | None = None, most: int | None = None) -> None:
        """Take the least and the most that are allowed."""
        self.least = least
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number that a text stands for."""
        number = value if isinstance(value, int) else self.parse(str(value), param, ctx)
        if (self.least is not None and number < self.least) or (self.most is not None and number > self.most):
            limits = f"{self.least:,} or more" if self.most is None else f"from {self.least or 0:,} to {self.most:,}"
            self.fail(f"{value} must be {limits}.", param, ctx)
        return number

    def parse(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the whole number that a text stands for."""
        match = WRITTEN.fullmatch(text.strip())
        if match is None:
            self.fail(f"{text!r} is no number; write it like 5000000, 5_000_000, 5e6 or 5M.", param, ctx)
        digits, suffix = match.groups()
        number = Decimal(digits.replace("_", "")).scaleb(SUFFIXES.get(suffix, 0))
        if number.adjusted() >= DIGITS_MAX:
            self.fail(f"{text} is larger than any count here can be.", param, ctx)
        if number != number.to_integral_value():
            self.fail(f"{text} is not a whole number.", param, ctx)
        return int(number)


COUNT = CountOption()
