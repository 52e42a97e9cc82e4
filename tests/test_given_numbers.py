# SPDX-License-Identifier: MIT
"""Numbers that are none, or no sensible ones, in every field of a suite and of the API: sentences before anything."""

import math
from contextlib import suppress

import pytest

from stress import api
from stress.model.errors import UsageError
from stress.run.external import LIMITS
from stress.suite.config.keys import FIELDS, HEAD
from stress.suite.config.load import build_suite

VALUES = [-1, 0, 1.5, 2**63, 10**30, True, 1e300, 5e-324, math.nan, math.inf, "9", [1], [-1, 0], [1.5, 2], {}]
PLACES = {
    "defaults": lambda key, value: {"defaults": {key: value}},
    "scenario": lambda key, value: {"scenario": [{"name": "clean", key: value}]},
    "matrix": lambda key, value: {"matrix": {key: [value]}},
}


@pytest.mark.parametrize("place", PLACES)
def test_a_field_of_a_suite_is_read_or_refused(place):
    for key in FIELDS:
        for value in VALUES:
            with suppress(UsageError):
                build_suite({"scenario": [{"name": "clean"}]} | PLACES[place](key, value), "s")


def test_the_head_of_a_suite_is_read_or_refused():
    for key in HEAD:
        for value in VALUES:
            with suppress(UsageError):
                build_suite({"scenario": [{"name": "clean"}], key: value}, "s")


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", [-1, 0, 2**63, True, math.nan, math.inf, "9", None, [1]], ids=repr)
def test_a_bound_of_a_storm_in_a_test_suite_is_refused_in_a_sentence(name, value):
    start = api.storm_server if name == "trials" else api.server_plan
    with pytest.raises(UsageError, match=f"{name} must be a"):
        start(("127.0.0.1", 9), **{name: value})  # nothing is sent there: it is refused first


def test_trials_are_whole():
    with pytest.raises(UsageError, match=r"trials must be a whole number, not 1\.5"):
        api.storm_server(("127.0.0.1", 9), trials=1.5)
