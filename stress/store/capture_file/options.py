# SPDX-License-Identifier: MIT
"""TCP options, of many segments at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.model.segment import OPTION_CUT, OPTION_FAST_OPEN, OPTION_MP_CAPABLE, OPTION_TIMESTAMP
from stress.store.capture_file.fields import Fields, Places

# Kinds: RFC 9293, 7323, 8684, 7413, 6994 (the experimental kind, by which fast open began: its magic number).
END, NOTHING, TIMESTAMP, MULTIPATH, FAST_OPEN, EXPERIMENT = 0, 1, 8, 30, 34, 254
FAST_OPEN_MAGIC = 0xF989
MP_CAPABLE = 0  # subtype
TWO_NOTHINGS_AND_TIMESTAMP = 0x0101_080A  # Linux, tcp_options_write: all that an established connection's segment has


@dataclass(frozen=True)
class Options:
    """What the options of some segments say: shape (segments,) each; ``bits`` are OPTION_… of model.segment."""

    bits: npt.NDArray[np.int64]
    timestamp: npt.NDArray[np.int64]
    echo: npt.NDArray[np.int64]


def read_options(fields: Fields, at: Places, end: Places, stored_end: Places) -> Options:
    """Read the options of segments.

    Args:
        fields: the piece of the file.
        at: shape (segments,), where the options begin.
        end: where they end, by the header.
        stored_end: where what was stored of each packet ends.
    """
    count = len(at)
    options = Options(np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64))
    options.bits[stored_end < end] = OPTION_CUT
    last = np.minimum(end, stored_end)
    at = at.copy()
    usual = np.flatnonzero(at + 12 <= last)
    usual = usual[fields.word(at[usual]) == TWO_NOTHINGS_AND_TIMESTAMP]
    note_timestamps(fields, options, usual, at[usual] + 2)
    at[usual] += 12
    active = np.flatnonzero(at < last)
    while active.size:  # ends: each round moves each by a byte at least, and there are at most 40
        kind = fields.byte(at[active])
        at[active[kind == NOTHING]] += 1
        is_long = (kind != NOTHING) & (kind != END) & (at[active] + 2 <= last[active])
        rows = active[is_long]
        size = fields.byte(at[rows] + 1)
        is_whole = (size >= 2) & (at[rows] + size <= last[rows])
        rows = rows[is_whole]
        note_options(fields, options, rows, at[rows])
        at[rows] += size[is_whole]
        active = np.sort(np.concatenate((active[kind == NOTHING], rows)))
        active = active[at[active] < last[active]]
    return options


def note_options(fields: Fields, options: Options, rows: Places, at: Places) -> None:
    """Note one option of each of some segments."""
    kind, size = fields.byte(at), fields.byte(at + 1)
    is_timestamp = (kind == TIMESTAMP) & (size == 10)
    note_timestamps(fields, options, rows[is_timestamp], at[is_timestamp])
    is_multipath = (kind == MULTIPATH) & (size > 2) & (fields.byte(at + 2) >> 4 == MP_CAPABLE)
    options.bits[rows[is_multipath]] |= OPTION_MP_CAPABLE
    is_experiment = (kind == EXPERIMENT) & (size >= 4) & (fields.half(at + 2) == FAST_OPEN_MAGIC)
    options.bits[rows[(kind == FAST_OPEN) | is_experiment]] |= OPTION_FAST_OPEN


def note_timestamps(fields: Fields, options: Options, rows: Places, at: Places) -> None:
    """Note the timestamp options that begin at some places."""
    options.bits[rows] |= OPTION_TIMESTAMP
    options.timestamp[rows] = fields.word(at + 2)
    options.echo[rows] = fields.word(at + 6)
