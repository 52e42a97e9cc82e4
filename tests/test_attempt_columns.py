# SPDX-License-Identifier: MIT
"""The attempts of a report's page: what is packed is what was recorded, exactly or as closely as the page says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from timeline_storms import CLOSEWAIT, LOST, NO_PROOF, NONE, PROOFS, column_values, make_storm, unpack

from stress.model.attempt import ATTEMPT
from stress.view.page.attempt_columns import BLOCK, TimelineStorm, pack_attempts, page_proof_names
from stress.view.page.columns import pack_column

FOUR_PERCENT = 1.04


@given(arrays(np.int64, st.integers(0, 300), elements=st.integers(-(2**52) + 1, 2**52 - 1)), st.booleans())
def test_a_column_is_unpacked_as_it_was(values, as_steps):
    assert np.array_equal(column_values(pack_column("any", values, as_steps=as_steps)), values)


def test_a_column_of_several_pieces_is_unpacked_as_it_was():
    values = np.random.default_rng(3).integers(0, 1 << 17, 400_000)
    assert np.array_equal(column_values(pack_column("any", values)), values)


def test_a_value_that_a_browser_would_round_is_refused():
    with pytest.raises(ValueError, match="the column start_ns has values of more than 52 bits"):
        pack_column("start_ns", np.array([1 << 52]))


@st.composite
def storms_of_any_kind(draw):
    """Give storms of which nothing but the types holds: starts in any order, latencies of 0, any errno."""
    storms = []
    for number in range(draw(st.integers(1, 3))):
        count = draw(st.integers(0, 200))
        random = np.random.default_rng(draw(st.integers(0, 99)))
        attempts = np.zeros(count, ATTEMPT)
        for field, highest in {"start_ns": 1 << 40, "latency_ns": 1 << draw(st.integers(1, 40))}.items():
            attempts[field] = random.integers(0, highest, count)
        for field in ("close_ns", "lag_us", "local_port", "address", "error", "retransmits", "phase", "worker"):
            attempts[field] = random.integers(0, np.iinfo(ATTEMPT[field]).max, count, endpoint=True)
        if draw(st.booleans()):
            attempts.sort(order="start_ns")
        is_body = random.random(count) < draw(st.sampled_from((0, 0.5, 1)))
        causes = np.where(is_body, NONE, random.choice((NONE, CLOSEWAIT, LOST), count)).astype(np.uint8)
        proofs = random.choice((0, 1, NO_PROOF), count).astype(np.uint8)
        names = draw(st.permutations(PROOFS))
        storms.append(TimelineStorm(f"{number}", f"run{number}", "", attempts, is_body, causes, proofs, names))
    return storms


def assert_exact(storms, part, storm, rows):
    """Hold exact records of a page, field by field, against attempts of the storm."""
    assert np.array_equal(part.exact["number"], rows)
    for field in ATTEMPT.names:
        assert np.array_equal(part.exact[field], storm.attempts[field][rows]), field
    assert np.array_equal(part.exact["cause"], storm.causes[rows])
    assert np.array_equal(part.exact["body"], storm.is_body[rows])
    names = np.array(page_proof_names(storms))[part.exact["proof"]]
    expected = [storm.proof_names[proof] if proof != NO_PROOF else "" for proof in storm.proofs[rows]]
    assert list(names) == expected


@given(storms_of_any_kind())
def test_small_pages_have_every_record(storms):
    packed = pack_attempts(storms)
    assert not packed.has_codes
    for storm, part in zip(storms, unpack(packed, storms), strict=True):
        assert_exact(storms, part, storm, np.arange(len(storm.attempts)))


@pytest.mark.parametrize("fine_max", [0, 1 << 20], ids=["coarse", "fine"])
@given(storms=storms_of_any_kind())
def test_large_pages_have_exact_records_of_what_is_not_body_and_codes_of_the_rest(fine_max, storms):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stress.view.page.attempt_columns.FINE_MAX", fine_max)
        packed = pack_attempts(storms, all_max=-1)
    for storm, part in zip(storms, unpack(packed, storms), strict=True):
        assert_exact(storms, part, storm, np.flatnonzero(~storm.is_body))
        assert np.array_equal(part.codes > 0, storm.is_body)
        latency_ns, start_ns = np.maximum(storm.attempts["latency_ns"], 1), storm.attempts["start_ns"]
        ratio = (part.latency_ns / latency_ns)[storm.is_body]
        assert np.all((ratio > 1 / FOUR_PERCENT) & (ratio < FOUR_PERCENT))
        assert np.all((part.earliest_ns <= start_ns) & (start_ns <= part.latest_ns))


def test_every_64th_start_is_exact():
    storm = make_storm(1_000)
    (part,) = unpack(pack_attempts([storm], all_max=0), [storm])
    assert np.array_equal(part.earliest_ns[::BLOCK], storm.attempts["start_ns"][::BLOCK])


def test_rare_causes_are_exact_before_frequent_ones():
    storm = make_storm(20_000, slow_share=0.02)
    packed = pack_attempts([storm], all_max=0, exact_max=100)
    (part,) = unpack(packed, [storm])
    rare = np.flatnonzero(storm.causes == LOST)
    assert packed.exact == (100,)
    assert 20 < len(rare) < 50
    assert np.isin(rare, part.exact["number"]).all()
    assert_exact([storm], part, storm, part.exact["number"])
    others = np.concatenate([part.exact["number"], part.counted["counted_number"]])
    assert np.array_equal(np.sort(others), np.flatnonzero(~storm.is_body))
    assert np.array_equal(part.counted["counted_cause"], storm.causes[part.counted["counted_number"]])
    assert part.codes[part.counted["counted_number"]].all()


def test_ten_bytes_are_enough_for_an_exact_attempt_and_five_bits_for_one_of_the_body():
    storm = make_storm(100_000)
    exact, coarse = pack_attempts([storm]), pack_attempts([storm], all_max=0)
    assert sum(len(column.text) for column in exact.columns) < 10 * 100_000
    assert sum(len(column.text) for column in coarse.columns) < 100_000 * 5 / 8


@pytest.mark.only_with("CONNSTORM_TEN_MILLION")
def test_ten_million_attempts_are_packed_in_less_than_five_megabytes():
    storm = make_storm(10_000_000)
    packed = pack_attempts([storm])
    assert sum(packed.exact) == np.count_nonzero(~storm.is_body)
    assert sum(len(column.text) for column in packed.columns) < 4_850_000  # the page itself is 0.15 MB
