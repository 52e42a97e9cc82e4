# SPDX-License-Identifier: MIT
"""In no world whose truth is known is an attempt named wrongly: ``tests/worlds``, each once, several at a time."""

import functools

import pytest
from worlds.catalogue import WORLDS
from worlds.forks import Job, carry_out
from worlds.world import FIXTURE, HOST, PRIVATE

UNBALANCED = "the books do not balance"
AT_ONCE = 8  # two CPUs, and most of the time a world waits for a timeout
IN_OTHER_WAYS = {
    HOST: ("some-ports-dropped", "congested", "loopback-down-6", "ipv6-off", "ports-taken-by-bind"),
    FIXTURE: ("some-ports-dropped-6", "rejected-by-rst"),
}
# `make worlds` has both families of all. What connstorm makes itself is the same over IPv6; of the others every third
# is tried over IPv6 too.
TWINS = [world.name for world in WORLDS.values() if world.name.endswith("-6") and world.ways[0] != PRIVATE]
DEFAULT = [world for world in WORLDS.values() if not world.name.endswith("-6") or world.name in TWINS[::3]]
JOBS = {
    job.name: job
    for job in (
        *(Job(world, world.ways[0]) for world in DEFAULT),
        *(Job(WORLDS[name], way) for way, names in IN_OTHER_WAYS.items() for name in names),
    )
}


@functools.cache
def all_results():
    """Carry out every job, and return the results by name.

    On a busy machine the books of a world that was made wrongly do not balance: such a one is made again, alone. A
    wrong name is never tried again.
    """
    results = {result.job.name: result for result in carry_out(JOBS.values(), AT_ONCE)}
    unbalanced = [result.job for result in results.values() if UNBALANCED in result.failed]
    return results | {result.job.name: result for result in carry_out(unbalanced, 1)}


def test_there_are_as_many_worlds_as_were_asked_for():
    assert len({world.build for world in WORLDS.values()}) >= 45


@pytest.mark.timeout(300)  # the first one waits for all
@pytest.mark.parametrize("name", JOBS)
def test_no_name_is_wrong_in_world(name):
    result = all_results()[name]
    if result.skipped:
        pytest.skip(result.skipped)
    assert not result.faults, "\n".join([result.job.world.truth, *result.faults])
