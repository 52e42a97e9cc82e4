# SPDX-License-Identifier: MIT
"""Whether the machine was quiet during a run, by what was measured of it."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.model.busy import (
    STALLED_SHARE_MAX,
    STOLEN_TICK_MS,
    busy_reasons,
    is_mostly_busy,
    stalled_share,
)
from stress.model.record import Phase
from stress.model.stall import Stall, StallKind
from stress.model.suite import Settle
from stress.store.runs import read_observation

MS_NS = 1_000_000
JIFFY_NS = 4 * MS_NS
STORM_MS = 250
DATA = Path(__file__).parent / "data"


@dataclass
class Storm:
    """A storm of a quarter of a second, and 5 s of stragglers."""

    stalls: list = field(default_factory=list)
    stalls_missed: int = 0
    stolen_ms: int = 0
    phases: tuple = (
        Phase("set-up", -40 * MS_NS, 0),
        Phase("storm", 0, STORM_MS * MS_NS),
        Phase("stragglers", STORM_MS * MS_NS, 5_000 * MS_NS),
    )


def a_stall(start_ms, end_ms):
    return Stall(start_ms * MS_NS, end_ms * MS_NS, StallKind.LOOP, 0)


def settle(*, settled, load=0.4):
    return Settle(waited_s=1.0, settled=settled, load=load, running=0, time_wait=0)


def reasons(*storms, before=None, cpus=2, workers=1):
    return busy_reasons(before, storms, cpus=cpus, workers=workers, jiffy_ns=JIFFY_NS)


def test_a_quiet_run_has_no_reason():
    assert reasons(Storm()) == reasons(Storm(), before=settle(settled=True, load=2.5)) == ()


def test_a_machine_that_did_not_become_idle_was_busy():
    assert reasons(Storm(), before=settle(settled=False, load=5.23)) == ("not idle before (load 5.2)",)


def test_stalls_count_by_the_share_of_the_time_in_which_attempts_were_started():
    assert reasons(Storm([a_stall(100, 200)])) == ("stalls in 40 % of the storm",)
    assert reasons(Storm([a_stall(300, 400), a_stall(240, 300)])) == ("stalls in 4 % of the storm",)
    assert reasons(Storm([a_stall(300, 4_000)])) == (), "nothing was started any more"
    assert reasons(Storm([a_stall(100, 105)])) == (), "5 ms of 250 are 2 %"


def test_stalls_of_several_workers_are_shares_of_the_time_of_all():
    assert reasons(Storm([a_stall(100, 110)]), workers=4) == ()
    assert reasons(Storm([a_stall(100, 110)]), workers=1) == ("stalls in 4 % of the storm",)


def test_stalls_that_found_no_room_last_a_jiffy_at_least():
    assert reasons(Storm(stalls_missed=1)) == ()
    assert reasons(Storm(stalls_missed=10)) == ("stalls in 16 % of the storm",)


def test_one_tick_of_stolen_time_is_none():
    short = Storm(stolen_ms=STOLEN_TICK_MS, phases=(Phase("set-up", -1, 0), Phase("storm", 0, MS_NS)))
    assert reasons(short) == (), "the counter's resolution"
    assert reasons(Storm(stolen_ms=130)) == ("130 ms stolen",), "of 5 s of two CPUs"
    assert reasons(Storm(stolen_ms=130), cpus=64) == ()


@given(st.lists(st.tuples(st.integers(-100, 6_000), st.integers(0, 500)), max_size=20), st.integers(1, 8))
def test_a_share_is_one(spans, workers):
    storm = Storm([a_stall(start, start + length) for start, length in spans], stalls_missed=3)
    share = stalled_share([storm], workers=workers, jiffy_ns=JIFFY_NS)
    assert 0 <= share <= 1
    assert bool(reasons(storm, workers=workers)) == (share > STALLED_SHARE_MAX)


@pytest.mark.parametrize(("busy", "trials", "mostly"), [(0, 0, False), (1, 4, False), (2, 4, True), (4, 14, True)])
def test_more_than_a_quarter_of_the_trials_is_too_much(busy, trials, mostly):
    assert is_mostly_busy(busy, trials) is mostly


def test_a_stored_run_remembers_its_stalls(tmp_path):
    document = json.loads((DATA / "run-schema-3" / "run.json").read_text())
    act = document["acts"][0]
    storm = next(phase for phase in act["phases"] if phase["name"] == "storm")
    length_ns = storm["end_ns"] - storm["start_ns"]
    stall = {"start_ns": storm["start_ns"], "end_ns": storm["start_ns"] + length_ns // 2, "kind": "loop", "worker": 0}
    act["stalls"] = [stall]
    document["acts"] = [act]
    (tmp_path / "run.json").write_text(json.dumps(document))
    run = read_observation(tmp_path, "")
    assert run.is_busy
    assert run.busy[-1] == "stalls in 25 % of the storm", "one of two workers stood still for half of it"
    assert read_observation(tmp_path, "", settle=settle(settled=False)).busy[0] == "not idle before (load 0.4)"
