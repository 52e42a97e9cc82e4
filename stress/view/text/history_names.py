# SPDX-License-Identifier: MIT
"""Names of the cells of a history as they are shown: what all of them set is left out, and said once.

What people type, and what files hold, keeps the whole name.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from stress.analysis.history.change import Track
from stress.view.text.comparison_wording import name_parts

LABEL = "in all series"


def shared_settings(tracks: Sequence[Track]) -> list[str]:
    """Return the settings that all cells have, with the same value; none where cells would be called alike without."""
    names = sorted({track.series.cell for track in tracks})
    if not names:
        return []
    first, *others = (name_parts(name)[1:] for name in names)
    shared = [part for part in first if all(part in other for other in others)]
    return shared if len({name_without(name, shared) for name in names}) == len(names) else []


def name_without(name: str, settings: Collection[str]) -> str:
    """Return the name of a cell without some of its settings."""
    scenario, *parts = name_parts(name)
    return " ".join([scenario, *(part for part in parts if part not in settings)])


def shorten_names(tracks: Sequence[Track]) -> tuple[Track, ...]:
    """Return series whose cells are named without what all of them set."""
    shared = shared_settings(tracks)
    return tuple(
        replace(track, series=replace(track.series, cell=name_without(track.series.cell, shared))) for track in tracks
    )


def shared_text(tracks: Sequence[Track]) -> str:
    """Return what all cells set: ``'mines=2, port_range=40000-40007'``; ``""`` for nothing."""
    return ", ".join(shared_settings(tracks))


def shared_line(tracks: Sequence[Track]) -> str:
    """Return what all cells set with its label: ``'in all series: mines=2'``; ``""`` for nothing."""
    shared = shared_text(tracks)
    return f"{LABEL}: {shared}" if shared else ""
