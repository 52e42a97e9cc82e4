# SPDX-License-Identifier: MIT
"""Wording of how a run differs from the one before it: a figure and how little it says, never a verdict."""

import re
import textwrap
from datetime import date, datetime, timedelta

from stress.analysis.comparison.earlier import EarlierRun
from stress.model.text import plural
from stress.model.units import age_text
from stress.store.stored_names import short_name
from stress.view.text import metric_wording as words

UNBROKEN = "\N{NO-BREAK SPACE}"
LARGE = 2.0  # a ratio from which on, or from whose inverse on, it is written as a ratio


def earlier_lines(earlier: EarlierRun, width: int) -> str:
    """Return the change of the median against the run before in lines that break no number from its unit."""
    text = re.sub(r"(?<=\d) (?=%)", UNBROKEN, earlier_text(earlier))
    return textwrap.fill(text, width, break_on_hyphens=False, break_long_words=False).replace(UNBROKEN, " ")


def earlier_text(earlier: EarlierRun) -> str:
    """Return the change of the median against the run before, and below which change it says nothing."""
    began, now = (datetime.fromisoformat(run.started_utc) for run in (earlier.before, earlier.now))
    day = day_text(began.date(), now.date())
    name = short_name(earlier.before.path.name)
    program = "" if earlier.before.program == earlier.now.program else f", {earlier.before.program} then"
    return (
        f"p50 {change_text(earlier.ratio)} against the run of {day} {began:%H:%M} UTC, {name}{program} "
        f"({'both of one session' if earlier.is_same_session else 'one session each'}{bound_text(earlier)})"
    )


def bound_text(earlier: EarlierRun) -> str:
    """Return below which change nothing is said, as far as that was measured."""
    within = f"noise within one session is up to {percent_text(earlier.floor)}" if earlier.floor is not None else ""
    kind = "run" if earlier.is_same_session else "session"
    if earlier.chance is None:
        if within and earlier.is_same_session:
            return f"; {within}"
        unknown = f"by how much {kind}s differ here was not measured"
        return f"; {within}, and {unknown}" if within else f"; {unknown}"
    limit = f": says nothing about less than {percent_text(max(earlier.chance, earlier.floor or 0.0))}"
    if earlier.floor is not None and earlier.floor > earlier.chance:
        return f"{limit}; {within}"
    began, now = (datetime.fromisoformat(run.started_utc) for run in (earlier.oldest, earlier.now))
    span = age_text(1000 * (now - began).total_seconds())
    return f"{limit}; by the {plural(earlier.count, kind)} of the last {span}, two {kind}s differ so far by chance"


def change_text(ratio: float) -> str:
    """Return a change as per cent, or as a ratio where it is large: ``−1.2 %``, ``×3.41``."""
    if not 1 / LARGE < ratio < LARGE:
        return words.ratio_text(ratio)
    change = 100 * (ratio - 1)
    return f"{words.MINUS if change < 0 else '+'}{abs(change):.1f} %"


def percent_text(share: float) -> str:
    """Return a share as per cent with two digits at least."""
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:,.0f} %"


def day_text(began: date, today: date) -> str:
    """Return a day as people say it."""
    if began == today:
        return "today"
    return "yesterday" if began == today - timedelta(days=1) else began.isoformat()
