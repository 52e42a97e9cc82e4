# SPDX-License-Identifier: MIT
"""The flame graphs of a page: what their template, scripts and data blocks need."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.model.text import json_bytes
from stress.profile.difference import SAMPLES_MIN
from stress.profile.flame import Flame
from stress.view.page.columns import EXACT_BITS, Column, deflate_text, pack_column
from stress.view.page.document import Interactive
from stress.view.page.inlined import DataBlock

TEMPLATE = "flame.html"
STYLES = ("assets/flame.css",)
SCRIPTS = tuple(
    f"assets/{name}.js" for name in ("columns", "numbers", "address", "flame_graph", "flame_picture", "flame")
)
PS = 1000  # to the ns: times are whole numbers in the page, and exact enough to be added
DISPLACED, COMPARED, SURE, NAMED = 1, 2, 4, 8  # bits of a frame

READING = (
    "A frame is a function in one place, as wide as what it costs an attempt in ns with all that it called. Client and "
    "server are apart, on any CPU; below them are their system calls, and below these the functions of the kernel."
)
HATCHED = "Hatched and marked by *: turns interrupts on, and has the time of what ran before while they were off."
COLOURS = (
    "Colour is the difference of a frame: orange costs more than before, blue less, and the larger the difference, the "
    "stronger. What is grey is not surely different, or has too few samples to say."
)
BY_TRIALS = (
    "A difference is sure where it is no chance over trials, after correction for all frames with at least "
    f"{SAMPLES_MIN} samples a trial (Holm). That makes it no reason: callers change with what they call, and a slower "
    "machine changes all. What is named as the reason stands above."
)
BY_SAMPLES = (
    "With one trial on a side, colour says only that a difference is more than the chance of sampling explains, after "
    "the same correction; how far trials differ is not known."
)


@dataclass(frozen=True)
class FlameGraph:
    """A flame, and how it is called in the page.

    Attributes:
        title: of which cell, act or pair it is.
        part: number of its part of the page, which is in the names of its tables.
        flame: of one arm, or of two.
        sides: names of the base and of the new arm; none for one arm.
        named: functions that are named as the reason of a change.
    """

    title: str
    part: int
    flame: Flame
    sides: tuple[str, ...] = ()
    named: frozenset[str] = frozenset()


def build_flames(graphs: Sequence[FlameGraph], rename: Callable[[str], str] | None) -> Interactive | None:
    """Return the flame graphs of a page; None where no stack has a sample.

    Args:
        graphs: all of one arm, or all of two.
        rename: for a public page, what replaces names; None leaves them.
    """
    drawn = [graph for graph in graphs if graph.flame.frames.samples.any()]
    if not drawn:
        return None
    rename = rename or str
    names = list(dict.fromkeys(name for graph in drawn for name in graph.flame.frames.names))
    columns = flame_columns(drawn, {name: number for number, name in enumerate(names)})
    model = {
        "graphs": [graph_model(graph, rename) for graph in drawn],
        "columns": {
            column.name: {"count": column.count, "width": column.width, "form": column.form} for column in columns
        },
    }
    # "<" could end the element; JSON has another way to write it.
    text = json_bytes(model).decode().replace("<", "\\u003c")
    blocks = (
        DataBlock("flame-model", "application/json", text),
        DataBlock("flame-names", "application/octet-stream", deflate_text("\n".join(map(rename, names)))),
        *(DataBlock(f"flame-{column.name}", "application/octet-stream", column.text) for column in columns),
    )
    return Interactive(TEMPLATE, flame_context(drawn, rename), SCRIPTS, STYLES, blocks)


def flame_context(graphs: Sequence[FlameGraph], rename: Callable[[str], str]) -> dict[str, object]:
    """Return what the template needs."""
    is_compared = len(graphs[0].flame.sides) > 1
    reading = [READING]
    if is_compared:
        reading.append(COLOURS)
        reading += [BY_TRIALS] if any(graph.flame.has_trials for graph in graphs) else []
        reading += [BY_SAMPLES] if not all(graph.flame.has_trials for graph in graphs) else []
    if any(any(graph.flame.frames.are_displaced) for graph in graphs):
        reading.append(HATCHED)
    return {
        "reading": " ".join(reading),
        "is_compared": is_compared,
        "sides": [rename(name) for name in graphs[0].sides],
        "titles": [rename(graph.title) for graph in graphs],
        "frames": sum(len(graph.flame.frames.names) for graph in graphs),
    }


def graph_model(graph: FlameGraph, rename: Callable[[str], str]) -> dict[str, object]:
    """Return what the scripts must know of a graph."""
    frames = graph.flame.frames
    return {
        "title": rename(graph.title),
        "part": graph.part,
        "sides": [rename(name) for name in graph.sides],
        "count": len(frames.names),
        "leftOut": frames.left_out,
        "hasTrials": graph.flame.has_trials,
    }


def flame_columns(graphs: Sequence[FlameGraph], numbers: dict[str, int]) -> list[Column]:
    """Return the columns of all frames, those of one graph after those of the other."""
    flames = [graph.flame for graph in graphs]
    columns = [
        pack_column("name", np.array([numbers[name] for flame in flames for name in flame.frames.names])),
        pack_column("depth", np.array([depth for flame in flames for depth in flame.frames.depths])),
        pack_column("bits", np.array([bits for graph in graphs for bits in frame_bits(graph)])),
    ]
    for place in range(len(flames[0].sides)):
        sides = [flame.sides[place] for flame in flames]
        columns.append(pack_column(f"samples{place}", np.concatenate([side.samples for side in sides])))
        for field in ("ns", "own_ns", "error_ns"):
            values = np.concatenate([getattr(side, field) for side in sides])
            columns.append(pack_column(f"{field}{place}", in_ps(values)))
    if len(flames[0].sides) > 1:
        changes = [change for flame in flames for change in flame.changes]
        for field in ("low_ns", "high_ns"):
            ends = [getattr(change.change, field) if change else 0.0 for change in changes]
            columns.append(pack_column(field, in_ps(np.array(ends))))
    return columns


def in_ps(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return times in ns as whole ps; the ends of an interval may be beyond what a column holds, and are cut there."""
    most = (1 << EXACT_BITS - 1) - 1
    return np.clip(np.rint(values * PS), -most, most)


def frame_bits(graph: FlameGraph) -> list[int]:
    """Return what is to say of each frame, as bits."""
    frames = graph.flame.frames
    return [
        DISPLACED * displaced
        + COMPARED * (change is not None)
        + SURE * (change is not None and change.is_sure)
        + NAMED * (name in graph.named)
        for name, displaced, change in zip(frames.names, frames.are_displaced, graph.flame.changes, strict=True)
    ]
