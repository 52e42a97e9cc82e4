# SPDX-License-Identifier: MIT
"""Several listeners on one port: one stands still, one closes; the equalities of counters that tell it."""

import errno

import pytest
from scenario_runs import run_of

from stress.analysis.attribution.listener_figures import failed_tuples

pytestmark = pytest.mark.timeout(1200)


@pytest.mark.parametrize("place", [0, 2], ids=["of 2", "of 4"])
def test_the_same_tuples_fail_again_and_one_listener_dropped_all(place):
    storms = run_of("reuseport-stuck").run.storms()
    first, again = storms[place : place + 2]
    failed = failed_tuples(first)
    assert 0 < len(failed) < 100
    assert set(failed) <= set(failed_tuples(again))
    assert len(failed_tuples(again)) - len(failed) <= 1  # its queue had room for one connection
    for storm in (first, again):
        syns = 2 * int((storm.attempts["error"] == errno.ETIMEDOUT).sum())
        drops = sorted(report.drops for report in storm.act.listening if report.on_target)
        assert storm.act.counters["ListenOverflows"] == storm.act.counters["ListenDrops"] == syns
        assert drops == [0] * (storm.act.plan.listeners - 1) + [syns]


def test_where_both_listeners_accept_none_fails():
    storm = run_of("reuseport-stuck").run.storms()[-1]
    assert not storm.attempts["error"].any()
    assert [report.drops for report in storm.act.listening if report.on_target] == [0, 0]


def test_the_verdict_says_the_share_and_that_it_is_fixed():
    findings = run_of("reuseport-stuck")
    shares = [len(failed_tuples(act.storm)) for act in findings.acts[:3:2]]
    assert findings.summary.verdict == (
        f"With 2 listeners {shares[0]} of 100 4-tuples failed, and the second time {shares[0]} of these again; "
        f"with 4 listeners {shares[1]} of 100 4-tuples failed, and the second time {shares[1]} of these again."
    )


def test_a_reload_resets_what_waits_and_migration_saves_it():
    without, migrating = run_of("listener-reload").acts
    uses = without.storm.uses
    resets = int((uses["error"] == errno.ECONNRESET).sum())
    assert resets > 0
    assert not without.storm.attempts["error"].any()  # connect() had succeeded each time
    assert without.storm.act.listener.accepted == without.storm.act.listener.answered == len(uses) - resets
    assert without.storm.act.counters["OutRsts"] == len(uses)  # of the others the client's own close
    assert not migrating.storm.uses["error"].any()
    moved = migrating.storm.act.counters["TCPMigrateReqSuccess"]
    ends_ns = migrating.storm.attempts["start_ns"] + migrating.storm.uses["use_ns"]
    began_ns = migrating.storm.attempts["start_ns"][0]
    closed_ns = began_ns + round(migrating.storm.act.plan.stuck_until_s * 1e9)
    margin_ns = 50_000_000  # the listener's process closes when it wakes up
    spanning = (migrating.storm.attempts["start_ns"] < closed_ns + margin_ns) & (ends_ns > closed_ns - margin_ns)
    assert 0 < moved <= int(spanning.sum())
