# SPDX-License-Identifier: MIT
"""Golden files: what is expected to the letter, in tests/golden, and what in it differs between machines."""

import difflib
import os
import re
from pathlib import Path

import pytest

from stress.model.outcome import Cause
from stress.storm.catalogue import SCENARIOS

TESTS = Path(__file__).parent
REPOSITORY = TESTS.parent
GOLDEN = TESTS / "golden"
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"

# What differs between machines, releases or libraries, and what stands for it in a golden file.
NORMAL = (
    (re.compile(r"connstorm(, version)? \d+\.\d+\.\d+(?:\.dev\d+)?"), r"connstorm\1 <version>"),
    (re.compile(r"^ *\d+\.\d s  ", re.MULTILINE), "<s>  "),  # since the beginning, before a stage
    (re.compile(r"-capture-[0-9a-f]{6}\b"), "-capture-<id>"),
    (re.compile(r"HISTFAA[\w+/=]+"), "<histogram>"),  # deflated, by one zlib or another
    (re.compile(r"^Matplotlib is building the font cache.*\n", re.MULTILINE), ""),
    (re.compile(re.escape(", ".join(SCENARIOS))), "<scenarios>"),  # a new one changes one golden file, not three
    (re.compile(re.escape(", ".join(Cause))), "<causes>"),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),  # tables are filled up with blanks
)


def normal(text, *places):
    for place, name in (*places, (REPOSITORY, "<repo>")):
        text = text.replace(str(place), name)
    for pattern, name in NORMAL:
        text = pattern.sub(name, text)
    return text


def agree(name, text):
    """Compare a text with its golden file, or renew that."""
    file = GOLDEN / f"{name}.txt"
    if UPDATE:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return
    expected = file.read_text("utf-8") if file.exists() else ""
    if text != expected:
        lines = (version.splitlines() for version in (expected, text))
        diff = difflib.unified_diff(*lines, f"tests/golden/{name}.txt", "now", lineterm="")
        pytest.fail("\n".join(["UPDATE_GOLDEN=1 renews it, if that is meant:", *diff]), pytrace=False)


def page(*parts):
    """Return a golden text of (heading, text)."""
    ended = ((heading, text + "\n" if text and not text.endswith("\n") else text) for heading, text in parts)
    return "".join(f"=== {heading}\n{text}" for heading, text in ended)
