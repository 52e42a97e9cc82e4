# SPDX-License-Identifier: MIT
"""All worlds: importing their modules registers them."""

from worlds import (
    adversaries,
    collisions,
    delays,
    ecn,
    given_up,
    half_open,
    interceptions,
    links,
    losses,
    mixtures,
    options,
    paths,
    ports,
    queues,
    refusals,
    reloads,
    scenarios,
    sharing,
    translations,
)
from worlds.world import WORLDS

__all__ = [
    "WORLDS",
    "adversaries",
    "collisions",
    "delays",
    "ecn",
    "given_up",
    "half_open",
    "interceptions",
    "links",
    "losses",
    "mixtures",
    "options",
    "paths",
    "ports",
    "queues",
    "refusals",
    "reloads",
    "scenarios",
    "sharing",
    "translations",
]
