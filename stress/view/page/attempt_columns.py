# SPDX-License-Identifier: MIT
"""Every attempt of a page as columns: exact records, and codes of 4 % for the body of large storms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.attempt import ATTEMPT
from stress.model.chunk import chunks
from stress.view.page.columns import Column, pack_column

ALL_EXACT_MAX = 300_000  # attempts of a page; with no more, every record is in it
EXACT_MAX = 200_000  # attempts that are not body, of a larger page
# Steps of latency codes in an octave. With 16, a code is at most 2.2 % away from the latency; with 9, at most 3.9 %,
# and each code of a machine with much noise takes 0.8 bits less.
FINE, COARSE = 16, 9
FINE_MAX = 3_600_000  # characters of all codes in base64; ten million shall fit into a page of 5 MB
BLOCK = 64  # attempts, the first of which has its exact start in the page
# The fields of ATTEMPT that are stored as they are, and whether as steps.
FIELDS = (
    ("start_ns", True),
    *((name, False) for name in ("latency_ns", "close_ns", "lag_us", "local_port", "address")),
    *((name, False) for name in ("error", "retransmits", "phase", "worker")),
)


@dataclass(frozen=True)
class TimelineStorm:
    """One act of one run.

    Attributes:
        label: for people: ``0005-closewait · cured``.
        run: what `connstorm show` understands.
        act: its name.
        attempts: shape (attempts,), dtype ATTEMPT.
        is_body: shape (attempts,); an attempt with a cause is none of them here, even if it connected at once.
        causes: shape (attempts,), index into CAUSES.
        proofs: shape (attempts,), index into ``proof_names``, or NO_PROOF.
        proof_names: rules by which causes were claimed, with their grades.
        first: the number that its first attempt has in the run's ``attempts.npy``.
    """

    label: str
    run: str
    act: str
    attempts: npt.NDArray[Any]
    is_body: npt.NDArray[np.bool_]
    causes: npt.NDArray[np.uint8]
    proofs: npt.NDArray[np.uint8]
    proof_names: Sequence[str] = ()
    first: int = 0


@dataclass(frozen=True)
class PackedAttempts:
    """The attempts of several storms, one storm after the other in every column.

    Columns of exact records: ``number`` (in the storm, from 0), the fields of ATTEMPT, ``cause``, ``proof`` and
    ``body``. Without codes that is all. With codes there is for every attempt a ``code``, 0 where its exact record is
    in the page; the ``block_low`` of every 64 attempts of a storm, which is the earliest start, and, unless all storms
    have their attempts in the order of starts, ``block_high``, the latest; and ``counted_number`` and
    ``counted_cause`` of attempts that are not body and that have no exact record.

    Attributes:
        columns: as above.
        exact: number of exact records of each storm.
        counted: number of attempts of each storm that are not body and only counted.
        has_codes: whether there are codes.
        steps_per_octave: of codes.
        lowest_code: code 1 stands for a latency of 2 ** (lowest_code / steps_per_octave) ns, and so on.
        highest_code: that occurs.
    """

    columns: tuple[Column, ...]
    exact: tuple[int, ...]
    counted: tuple[int, ...]
    has_codes: bool
    steps_per_octave: int = FINE
    lowest_code: int = 0
    highest_code: int = 0


def pack_attempts(
    storms: Sequence[TimelineStorm], all_max: int = ALL_EXACT_MAX, exact_max: int = EXACT_MAX
) -> PackedAttempts:
    """Pack the attempts of all storms of a page.

    Args:
        storms: in their order in the page.
        all_max: with no more attempts, all their records are in the page.
        exact_max: so many records of attempts that are not body are in it otherwise.
    """
    has_codes = sum(len(storm.attempts) for storm in storms) > all_max
    rows = choose_exact(storms, exact_max) if has_codes else [np.arange(len(storm.attempts)) for storm in storms]
    proof_numbers = {name: number for number, name in enumerate(page_proof_names(storms))}
    columns = pack_records(storms, rows, proof_numbers)
    exact = tuple(map(len, rows))
    if not has_codes:
        return PackedAttempts(columns, exact, (0,) * len(storms), has_codes=False)
    counted = [
        np.setdiff1d(np.flatnonzero(~storm.is_body), own, assume_unique=True)
        for storm, own in zip(storms, rows, strict=True)
    ]
    steps = FINE
    codes, lowest, highest = pack_codes(storms, rows, steps)
    if len(codes.text) > FINE_MAX:
        steps = COARSE
        codes, lowest, highest = pack_codes(storms, rows, steps)
    columns += (codes, *pack_blocks(storms), *pack_counted(storms, counted))
    return PackedAttempts(
        columns,
        exact,
        tuple(map(len, counted)),
        has_codes=True,
        steps_per_octave=steps,
        lowest_code=lowest,
        highest_code=highest,
    )


def page_proof_names(storms: Sequence[TimelineStorm]) -> list[str]:
    """Return the names of proofs that storms of a page have; the first is that of no proof."""
    return list(dict.fromkeys(("", *(name for storm in storms for name in storm.proof_names))))


def choose_exact(storms: Sequence[TimelineStorm], most: int) -> list[npt.NDArray[np.intp]]:
    """Return for each storm which attempts that are not body have their exact record in the page, ascending.

    Where there are more than ``most``, those of rare causes are there before those of frequent ones: every group of a
    storm and a cause may have as many as any other, and of a larger group evenly spread ones are taken.
    """
    groups: list[tuple[int, npt.NDArray[np.intp]]] = []
    for number, storm in enumerate(storms):
        others = np.flatnonzero(~storm.is_body)
        causes = storm.causes[others]
        groups += [(number, others[causes == cause]) for cause in np.unique(causes)]
    room, chosen = most, [[np.zeros(0, np.intp)] for _ in storms]
    groups.sort(key=lambda group: len(group[1]))
    for position, (number, rows) in enumerate(groups):
        share = min(len(rows), room // (len(groups) - position))
        room -= share
        chosen[number].append(rows[np.linspace(0, len(rows) - 1, share).astype(np.intp)] if share else rows[:0])
    return [np.sort(np.concatenate(parts)) for parts in chosen]


def join_arrays(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return arrays one after the other; of none, an empty one."""
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def pack_records(
    storms: Sequence[TimelineStorm], rows: Sequence[npt.NDArray[np.intp]], proof_numbers: dict[str, int]
) -> tuple[Column, ...]:
    """Pack the exact records of some attempts of each storm."""
    every = [storm.attempts[own] for storm, own in zip(storms, rows, strict=True)]
    records = np.concatenate([np.zeros(0, ATTEMPT), *every])
    causes = [storm.causes[own] for storm, own in zip(storms, rows, strict=True)]
    in_body = [storm.is_body[own] for storm, own in zip(storms, rows, strict=True)]
    proofs = [proof_table(storm, proof_numbers)[storm.proofs[own]] for storm, own in zip(storms, rows, strict=True)]
    return (
        pack_column("number", join_arrays(rows), as_steps=True),
        *(pack_column(name, records[name], as_steps=steps) for name, steps in FIELDS),
        pack_column("cause", join_arrays(causes)),
        pack_column("proof", join_arrays(proofs)),
        pack_column("body", join_arrays(in_body)),
    )


def proof_table(storm: TimelineStorm, proof_numbers: dict[str, int]) -> npt.NDArray[np.uint8]:
    """Return the number that the page gives to each code of a storm's proofs, shape (256,); 0 is no proof."""
    numbers = np.zeros(256, np.uint8)
    numbers[: len(storm.proof_names)] = [proof_numbers[name] for name in storm.proof_names]
    return numbers


def latency_codes(latencies_ns: npt.NDArray[np.int64], steps: int) -> npt.NDArray[np.uint16]:
    """Return the logarithm of each latency in parts of an octave, rounded; 0 ns counts as 1 ns."""
    logarithms = np.log2(np.maximum(latencies_ns, 1).astype(np.float32))
    codes: npt.NDArray[np.uint16] = np.rint(logarithms * steps).astype(np.uint16)
    return codes


def pack_codes(
    storms: Sequence[TimelineStorm], rows: Sequence[npt.NDArray[np.intp]], steps: int
) -> tuple[Column, int, int]:
    """Pack the latency codes of all attempts, 0 where ``rows`` names them.

    Return also what code 1 stands for, and the highest code.
    """
    codes = np.empty(sum(len(storm.attempts) for storm in storms), np.uint16)
    is_exact = np.zeros(len(codes), np.bool_)
    first = 0
    for storm, own in zip(storms, rows, strict=True):
        is_exact[first + own] = True
        for part in chunks(len(storm.attempts)):
            latencies_ns = storm.attempts["latency_ns"][part]
            codes[first + part.start : first + part.stop] = latency_codes(latencies_ns, steps)
        first += len(storm.attempts)
    lowest = 0 if is_exact.all() else int(codes.min(where=~is_exact, initial=np.iinfo(np.uint16).max))
    codes += np.uint16(1)
    codes -= np.uint16(lowest)  # those of exact records may wrap
    codes[is_exact] = 0
    return pack_column("code", codes), lowest, int(codes.max(initial=0))


def pack_blocks(storms: Sequence[TimelineStorm]) -> tuple[Column, ...]:
    """Pack the earliest start of every block and, where storms are not in the order of starts, the latest one."""
    lows, highs, is_ascending = [], [], True
    for storm in storms:
        latest_ns = 0
        for part in chunks(len(storm.attempts)):  # each of which is whole blocks, but for the last
            starts_ns = np.ascontiguousarray(storm.attempts["start_ns"][part])
            edges = np.arange(0, len(starts_ns), BLOCK)
            lows.append(np.minimum.reduceat(starts_ns, edges))
            highs.append(np.maximum.reduceat(starts_ns, edges))
            in_order = bool((starts_ns[1:] >= starts_ns[:-1]).all())
            is_ascending &= in_order and (not part.start or int(starts_ns[0]) >= latest_ns)
            latest_ns = int(starts_ns[-1])
    low = pack_column("block_low", join_arrays(lows), as_steps=True)
    return (low,) if is_ascending else (low, pack_column("block_high", join_arrays(highs), as_steps=True))


def pack_counted(storms: Sequence[TimelineStorm], rows: Sequence[npt.NDArray[np.intp]]) -> tuple[Column, ...]:
    """Pack number and cause of attempts that are not body and only counted."""
    causes = [storm.causes[own] for storm, own in zip(storms, rows, strict=True)]
    return pack_column("counted_number", join_arrays(rows), as_steps=True), pack_column(
        "counted_cause", join_arrays(causes)
    )
