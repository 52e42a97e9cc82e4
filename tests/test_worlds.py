# SPDX-License-Identifier: MIT
"""In no world whose truth is known is an attempt named wrongly: ``tests/worlds``, each once, several at a time."""

import functools

import pytest
from worlds.catalogue import WORLDS
from worlds.forks import Job, carry_out
from worlds.world import FIXTURE, HOST

AT_ONCE = 8  # two CPUs, and most of the time a world waits for a timeout
TRIES_ALONE = 2
IN_OTHER_WAYS = {
    HOST: ("some-ports-dropped", "congested", "loopback-down-6", "ipv6-off", "ports-taken-by-bind"),
    FIXTURE: ("some-ports-dropped-6", "rejected-by-rst"),
}
# `make worlds` has both families of all, in all ways; over IPv6 the scenarios are tried too.
DEFAULT = [world for world in WORLDS.values() if not world.name.endswith("-6")]
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

    On a busy machine a world may not be made as it is meant to be: its books do not balance, or its own connections
    time out. Such a one is made again, alone. A wrong name is never tried again.
    """
    results = {result.job.name: result for result in carry_out(JOBS.values(), AT_ONCE)}
    for _ in range(TRIES_ALONE):
        failed = [result.job for result in results.values() if result.failed]
        results |= {result.job.name: result for result in carry_out(failed, 1)}
    return results


def test_there_are_as_many_worlds_as_were_asked_for():
    assert len({world.build for world in WORLDS.values()}) >= 45


@pytest.mark.timeout(1200)  # the first one waits for all
@pytest.mark.parametrize("name", JOBS)
def test_no_name_is_wrong_in_world(name):
    result = all_results()[name]
    if result.skipped:
        pytest.skip(result.skipped)
    assert not result.faults, "\n".join([result.job.world.truth, *result.faults])
