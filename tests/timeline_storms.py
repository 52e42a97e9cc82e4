# SPDX-License-Identifier: MIT
"""Storms made from a seed, and what a page's columns say of them: the inverse of stress.view.page.attempt_columns."""

import zlib
from dataclasses import dataclass

import numpy as np

from stress.analysis.attribution.cause import CAUSES
from stress.model.attempt import ATTEMPT, STORM
from stress.model.outcome import Cause
from stress.view.page.attempt_columns import BLOCK, TimelineStorm
from stress.view.page.columns import Form

NONE, CLOSEWAIT, LOST = (CAUSES.index(cause) for cause in (Cause.NONE, Cause.CLOSEWAIT, Cause.LOST_ON_THE_WAY))
NO_PROOF = 255
PROOFS = ("closewait (counted)", "lost_on_the_way (timed)")


def make_storm(count, seed=1, slow_share=0.004, **given):
    """Return a storm in a closed loop, as one of connstorm looks: mines, some lost SYNs, scheduler's noise."""
    random = np.random.default_rng(seed)
    attempts = np.zeros(count, ATTEMPT)
    kind = random.choice(3, count, p=(1 - slow_share, slow_share * 0.9, slow_share * 0.1)).astype(np.uint8)
    latency_ns = 10_500 * np.exp(random.normal(0, 0.06, count)) + 1_000 * random.exponential(0.4, count)
    latency_ns[random.random(count) < 0.001] *= 100
    latency_ns = np.where(kind == 1, 8e6 * (1 + random.random(count)), latency_ns)
    attempts["latency_ns"] = np.where(kind == 2, 1.02e9 + 1e6 * random.random(count), latency_ns)
    attempts["close_ns"] = random.normal(9_000, 300, count)
    # A storm that waited for a second each time would show nothing else; here clients next to it go on.
    attempts["start_ns"] = np.cumsum(np.minimum(attempts["latency_ns"], 40_000) + attempts["close_ns"] + 3_000)
    attempts["lag_us"] = random.integers(0, 3, count)
    attempts["local_port"] = random.permutation(np.arange(count) % 28_232 + 32_768)
    attempts["retransmits"] = kind > 0
    attempts["phase"] = STORM
    causes = np.array([NONE, CLOSEWAIT, LOST], np.uint8)[kind]
    return TimelineStorm(
        **{"label": "closewait", "run": "20261128T175110Z-closewait-956f6c", "act": "storm", **given},
        attempts=attempts,
        is_body=kind == 0,
        causes=causes,
        proofs=kind - np.uint8(1),  # 255 for none
        proof_names=PROOFS,
    )


def column_values(column):
    """Return the values of a packed column, shape (values,), as the page's script does."""
    octets = np.frombuffer(zlib.decompress(column.data, -zlib.MAX_WBITS), np.uint8)
    planes = octets.reshape(column.width, column.count).astype(np.int64)
    numbers = sum(plane << 8 * place for place, plane in enumerate(planes))
    if column.form is not Form.PLAIN:
        numbers = (numbers >> 1) ^ -(numbers & 1)
    return np.cumsum(numbers) if column.form is Form.STEPS else numbers


@dataclass(frozen=True)
class Unpacked:
    """The attempts of one storm as its page has them: fields of exact records, and codes and blocks of all others."""

    exact: dict
    codes: np.ndarray | None
    latency_ns: np.ndarray | None
    earliest_ns: np.ndarray | None
    latest_ns: np.ndarray | None
    counted: dict


def unpack(packed, storms):
    """Return what a page has of each storm."""
    values = {column.name: column_values(column) for column in packed.columns}
    counted = {name: values.pop(name, np.zeros(0, int)) for name in ("counted_number", "counted_cause")}
    code, low, high = (values.pop(name, None) for name in ("code", "block_low", "block_high"))
    parts, record, attempt, block, other = [], 0, 0, 0, 0
    for storm, exact_count, counted_count in zip(storms, packed.exact, packed.counted, strict=True):
        exact = {name: column[record : record + exact_count] for name, column in values.items()}
        own_counted = {name: column[other : other + counted_count] for name, column in counted.items()}
        size = len(storm.attempts)
        blocks = -(-size // BLOCK)
        record, other = record + exact_count, other + counted_count
        if code is None:
            parts.append(Unpacked(exact, None, None, None, None, own_counted))
            continue
        codes = code[attempt : attempt + size]
        lows = low[block : block + blocks]
        last_ns = storm.attempts["start_ns"].max(initial=0)
        highs = np.append(lows[1:], last_ns)[:blocks] if high is None else high[block : block + blocks]
        own = np.arange(size) // BLOCK
        latency_ns = 2 ** ((codes - 1 + packed.lowest_code) / packed.steps_per_octave)
        parts.append(Unpacked(exact, codes, latency_ns, lows[own], highs[own], own_counted))
        attempt, block = attempt + size, block + blocks
    return parts
