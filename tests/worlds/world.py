# SPDX-License-Identifier: MIT
"""A world, and the list of all."""

from collections.abc import Callable
from dataclasses import dataclass

# The ways to storm: the API, connstorm run --host, pytest's fixture, a scenario in connstorm's own private namespace.
HERE, HOST, FIXTURE, PRIVATE = "here", "host", "fixture", "private"
WAYS = (HERE, HOST, FIXTURE, PRIVATE)


@dataclass(frozen=True)
class World:
    """A world.

    Attributes:
        name: its function's, with the family where it has both.
        truth: a sentence.
        build: makes the world on a site, and storms it.
        family: 4 or 6.
        ways: to storm it.
        fact: which fact would be needed to name what stays unknown.
    """

    name: str
    truth: str
    build: Callable
    family: int
    ways: tuple[str, ...]
    fact: str


WORLDS: dict[str, World] = {}


def world(truth, *, families=(4, 6), ways=(HERE,), fact=""):
    """Register a function as a world, once for each family."""

    def register(build):
        for family in families:
            name = build.__name__.replace("_", "-") + ("-6" if family == 6 and len(families) > 1 else "")
            assert name not in WORLDS, name
            WORLDS[name] = World(name, truth, build, family, ways, fact)
        return build

    return register
