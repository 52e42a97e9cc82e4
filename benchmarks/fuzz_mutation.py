# SPDX-License-Identifier: MIT
"""Bytes with a few changes, made in microseconds: bits, tokens, numbers, parts doubled, dropped and swapped."""

import re

TOKENS = (
    b"\xff", b"\x00", b"\x1b[2J", b"null", b"true", b"-1", b"0", b"1e999", b"NaN", b"9" * 30, b"-9223372036854775809",
    b"[" * 5000, b'{"a":' * 2000, b'"' * 3, b"\\u0000", b"\\ud800", b"$\\frac{", b"..", b"/", b"=", b"\n", b"#", b"'",
    b"{}", b"[]", b'""', b"9" * 5000, b"a = " + b"[" * 500,
)  # fmt: skip
NUMBERS = (
    b"0", b"-1", b"1", b"65536", b"4294967296", b"9223372036854775807", b"18446744073709551616", b"1e308", b"0.5",
    b"9" * 5000,
)  # fmt: skip
NUMBER = re.compile(rb"-?\d+(\.\d+)?")
CHANGES = (1, 1, 1, 2, 3, 6)


def mutate(seed, chance):
    """Return some bytes with one to six changes.

    ``randrange`` and ``choice`` of random.Random cost more than all the rest: a product with ``random`` does here.
    """
    data, draw = bytearray(seed), chance.random
    for _ in range(pick(CHANGES, draw)):
        size = len(data)
        place = int(draw() * (size + 1))
        match int(draw() * 8):
            case 0:
                data[place:place] = pick(TOKENS, draw)
            case 1 if data:
                data[min(place, size - 1)] ^= 1 << int(draw() * 8)
            case 2:
                del data[place : place + pick((1, 4, 64, 1024), draw)]
            case 3:
                data[place:place] = data[place : place + pick((1, 16, 256), draw)] * pick((1, 2, 20), draw)
            case 4:
                other, length = int(draw() * (size + 1)), pick((1, 8, 64), draw)
                here, there = slice(place, place + length), slice(other, other + length)
                data[here], data[there] = data[there], data[here]
            case 5:
                data[place : place + 8] = chance.randbytes(8)
            case 6:
                del data[place:]
            case _:
                replace_number(data, place, draw)
    return bytes(data)


def replace_number(data, place, draw):
    """Replace the first number that is written in decimal at a place or after it, else the first of all."""
    if match := NUMBER.search(data, place) or NUMBER.search(data):
        start, end = match.span()
        del match  # which holds the bytes, so that their length could not be changed
        data[start:end] = pick(NUMBERS, draw)


def pick(options, draw):
    """Return one of some options."""
    return options[int(draw() * len(options))]
