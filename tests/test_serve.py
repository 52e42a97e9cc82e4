# SPDX-License-Identifier: MIT
"""The serving side of a storm across a link, between two hosts, asked by a client of the test."""

import pytest
from serving_client import PORT, ask, plan_across, serving, storm
from two_hosts import STORM, two_hosts

from stress.storm.peer import calls


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with two_hosts(tmp_path_factory.mktemp("hosts")) as made:
        yield made


def begin(served, plan, **processes):
    """Ask, and let the serving side listen."""
    consent = served.call(ask(plan))
    served.call(calls.BeginAct("storm"))
    served.call(calls.Listen())
    served.call(calls.StartProcess(**processes))
    return consent


@pytest.mark.parametrize("family", [4, 6])
def test_a_session_serves_what_was_agreed_and_tells_what_came(hosts, family):
    with serving(hosts.server) as served:
        consent = begin(served, plan_across(family))
        assert consent.limits.sources == [f"{STORM['client'][family]}/{32 if family == 4 else 128}"]
        served.call(calls.BeginLook())
        before = served.call(calls.ReadCounters())
        answer = storm(hosts, 50, family=family)
        assert answer.communicate()[0] == b"50 all\n"
        assert served.call(calls.WaitSettled(10))
        report = served.call(calls.ReadReport())
        assert (report.accepted, report.closed, report.leaked) == (50, 50, 0)
        after = served.call(calls.ReadCounters())
        assert after.counters["PassiveOpens"] - before.counters["PassiveOpens"] == 50
        assert [entry.port for entry in served.call(calls.EndLook()).listening if entry.on_target] == [PORT]
        assert set(served.call(calls.TakeCensus())) == {"client", "server"}
        assert served.call(calls.ReadHost()).sysctls
        served.channel.send(calls.Ended())
        assert served.ended() == ""
        assert served.process.wait() == 0
    assert hosts.is_quiet()
