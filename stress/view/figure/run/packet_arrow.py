# SPDX-License-Identifier: MIT
"""One packet of a ladder: an arrow from host to host, with a cross where it was lost."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes

from stress.model.summary import ICMP, Fate, Packet
from stress.view.figure import style

CLIENT, SERVER = 0.36, 0.9  # the outer lifelines, as shares of the width
SLANT = 0.12  # of a row: a packet arrives a little lower than it leaves
LOST_AFTER = 0.75  # of a hop
FATES = {  # on the picture, where there is little room
    Fate.UNANSWERED: "no answer",
    Fate.LOST_IN_HOST: "lost at {host}",
    Fate.LOST_ON_LINK: "lost on link",
}
WHITE: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.9}  # behind text


def lifeline_places(hosts: Sequence[str]) -> dict[str, float]:
    """Return where the lifeline of each host is, as a share of the width."""
    step = (SERVER - CLIENT) / (len(hosts) - 1)
    return {host: CLIENT + number * step for number, host in enumerate(hosts)}


def way_of(packet: Packet, places: Mapping[str, float]) -> list[float]:
    """Return the places that a packet passed, from its sender on; one that a link lost ends on that link."""
    along = list(places) if packet.from_client else list(places)[::-1]
    if not packet.hosts:
        return [places[host] for host in along]
    way = [places[host] for host in packet.hosts]
    if packet.fate is Fate.LOST_ON_LINK:
        following = along[along.index(packet.hosts[-1]) + 1]
        way.append(way[-1] + LOST_AFTER * (places[following] - way[-1]))
    return way


def draw_packet(  # noqa: PLR0917  # a row of the ladder, and what it shows
    axes: Axes, packet: Packet, places: Mapping[str, float], time: str, from_pt: float, to_pt: float, *, size: float
) -> None:
    """Draw the arrows of a packet between two heights, with its flags and its time.

    Args:
        axes: of the ladder.
        packet: the packet.
        places: of the hosts' lifelines.
        time: its label.
        from_pt: upper end of its row, in points from the top.
        to_pt: lower end.
        size: of the font, in points.
    """
    is_error = packet.flags.startswith(ICMP)
    colour = style.GIVE_UP if is_error or "R" in packet.flags else style.INK
    way = way_of(packet, places)
    middle_pt, slant_pt = (from_pt + to_pt) / 2, SLANT * (to_pt - from_pt)
    whole = abs(SERVER - CLIENT)
    heights = [middle_pt + slant_pt * (2 * abs(place - way[0]) / whole - 1) for place in way]
    for tail, tip in pairwise(zip(way, heights, strict=True)):
        axes.annotate(
            "",
            xy=tip,
            xytext=tail,
            arrowprops={
                "arrowstyle": "-|>,head_width=0.18,head_length=0.36",
                "color": colour,
                "linewidth": 1.1,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
    is_shared = packet.fate is Fate.UNANSWERED and len(way) == 2  # the hop has two texts
    label = way[0] + (0.3 if is_shared else 0.5) * (way[1] - way[0]) if len(way) > 1 else way[0]
    text = packet.flags if is_error and len(places) == 2 else ICMP if is_error else f"[{packet.flags}]"
    draw_text(axes, label, middle_pt, text, size + (-0.5 if is_error else 0.5), color=colour, fontweight="bold")
    axes.text(
        CLIENT - 0.04, middle_pt, time,
        fontsize=size - 0.5, color=style.QUIET, horizontalalignment="right", verticalalignment="center",
    )  # fmt: skip
    if packet.fate in FATES:
        _draw_fate(axes, packet, way, heights[-1], size=size)


def _draw_fate(axes: Axes, packet: Packet, way: list[float], height_pt: float, *, size: float) -> None:
    """Draw a cross where a packet ended, and say what became of it, on the side to which nothing went on."""
    axes.plot(
        [way[-1]], [height_pt],
        marker="x", markersize=size - 1, markeredgewidth=1.8, color=style.GIVE_UP, linestyle="none", zorder=5,
    )  # fmt: skip
    text = FATES[packet.fate].format(host=packet.hosts[-1])
    if packet.fate is Fate.UNANSWERED:
        place = way[-1] + (0.3 if len(way) == 2 else 0.5) * (way[-2] - way[-1])
        draw_text(axes, place, height_pt, text, size - 1.5, color=style.GIVE_UP)
        return
    towards = 1 if packet.from_client else -1
    words, small = (text, 0.5) if packet.from_client else (text.replace(" at ", " at\n").replace(" on ", " on\n"), 2)
    axes.text(
        way[-1] + 0.035 * towards, height_pt, words,
        fontsize=size - small, color=style.GIVE_UP, linespacing=0.95, bbox=WHITE,
        horizontalalignment="left" if packet.from_client else "right", verticalalignment="center",
    )  # fmt: skip


def draw_text(axes: Axes, place: float, middle_pt: float, text: str, size: float, **look: Any) -> None:
    """Draw text on white, around a point; ``look`` is as of matplotlib's Text."""
    axes.text(
        place,
        middle_pt,
        text,
        fontsize=size,
        horizontalalignment="center",
        verticalalignment="center",
        bbox=WHITE,
        **({"color": style.QUIET} | look),
    )
