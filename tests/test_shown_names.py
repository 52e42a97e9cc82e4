# SPDX-License-Identifier: MIT
"""Hostile names in stored runs, suites and histories, read by every verb: no output has a control character."""

import re
import shutil
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from stress.cli.main import connstorm
from stress.cli.stored import complete_stored
from stress.model.errors import UsageError
from stress.model.text import shown_json, slug
from stress.store.suite_folder import SLUG_MAX
from stress.suite.config.load import decode_suite

DATA = Path(__file__).parent / "data"
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
ESCAPES, LONG = "\x1b[2J\u202e\x9b1m\r\nfolder: x\x07", "m" * 10_000
NAMES = ("cpu", "kernel", "program", "description", "reason", "machine_id", "python", "clock_source")
OF_SUITES = ("name", "cell", "label")  # in a run metrics have names
VERBS = {
    "show": ["show", "{run}"],
    "show-attempt": ["show", "{run}", "--attempt", "3"],
    "show-json": ["show", "{run}", "--json"],
    "show-suite": ["show", "{suite}"],
    "list": ["list", "{runs}"],
    "list-json": ["list", "{runs}", "--json"],
    "history": ["history", "{runs}", "--accepted", "{accepted}"],
    "history-json": ["history", "{runs}", "--json"],
    "compare": ["compare", "{suite}", "{other}", "--all", "--no-draw", "-o", "{out}"],
    "compare-markdown": ["compare", "{suite}", "{other}", "--markdown", "--all", "--no-draw", "-o", "{out}"],
    "compare-json": ["compare", "{suite}", "{other}", "--json", "-o", "{out}"],
    "gate": ["gate", "{other}", "{suite}", "--expr", "errors == 0", "-o", "{out}"],
    "report": ["report", "{run}", "-o", "{out}/report.html"],
    "plot": ["plot", "{run}", "-o", "{out}"],
    "csv": ["export", "{run}", "--format", "csv"],
    "benchfmt": ["export", "{suite}", "--format", "benchfmt"],
    "bmf": ["export", "{suite}", "--format", "bmf"],
    "pyperf": ["export", "{suite}", "--format", "pyperf"],
    "pytest-benchmark": ["export", "{suite}", "--format", "pytest-benchmark"],
    "github": ["export", "{suite}", "--format", "github-smaller"],
    "otava": ["export", "{suite}", "--format", "otava", "-o", "{out}/otava"],
    "report-suite": ["report", "{suite}", "-o", "{out}/suite.html"],
    "plot-suite": ["plot", "{suite}", "-o", "{out}"],
}


def spoil(value, addition, names, key=""):
    """Return a document with an addition to the texts of some names."""
    if isinstance(value, dict):
        return {name: spoil(inner, addition, names, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [spoil(inner, addition, names, key) for inner in value]
    return value + addition if isinstance(value, str) and key in names else value


@pytest.fixture(scope="module")
def hostile(request, tmp_path_factory):
    """Return folders by what they are called in VERBS."""
    top = tmp_path_factory.mktemp("hostile")
    runs = top / ("runs" if request.param == LONG else "runs\x1b[2J\u202e\n")
    for frozen in ("run-schema-3", "run-schema-3-boot", "suite-schema-1"):
        for name in (frozen, f"{frozen}\x1b]0;x\x07\u202e"):
            shutil.copytree(DATA / frozen, runs / name)
    for file in runs.rglob("*.json"):
        names = NAMES if file.name == "run.json" else (*NAMES, *OF_SUITES)
        file.write_bytes(msgspec.json.encode(spoil(msgspec.json.decode(file.read_bytes()), request.param, names)))
    for trial in runs.glob("*/trials/*/trial.json"):  # folders are named after their cells
        cell = msgspec.json.decode(trial.read_bytes())["trial"]["cell"]
        trial.parent.rename(trial.parent.with_name(f"{trial.parent.name[:4]}-{slug(cell, SLUG_MAX)}"))
    accepted = top / "accepted.toml"
    text = msgspec.json.encode("rate" + request.param).decode().replace("\x9b", "\\u009b")  # TOML has JSON's escapes
    names = ("cell", "testbed", "at", "reason")
    accepted.write_text("[[accepted]]\n" + "".join(f"{name} = {text}\n" for name in names) + 'metric = "rate"\n')
    hostile_end = "\x1b]0;x\x07\u202e"
    return {
        "runs": runs,
        "run": runs / f"run-schema-3{hostile_end}",
        "suite": runs / f"suite-schema-1{hostile_end}",
        "other": runs / "suite-schema-1",
        "accepted": accepted,
    }


CASES = [(ESCAPES, verb) for verb in VERBS]
CASES += [(LONG, verb) for verb in VERBS if not verb.startswith("plot")]  # to draw 10,000 letters takes seconds


@pytest.mark.parametrize(
    ("hostile", "verb"), CASES, indirect=["hostile"], ids=["long-" * (text == LONG) + verb for text, verb in CASES]
)
def test_no_output_has_a_control_character(hostile, tmp_path, verb):
    (out := tmp_path / "out\x1b[2J").mkdir()
    words = [word.format(**hostile, out=out) for word in VERBS[verb]]
    said = CliRunner().invoke(connstorm, words, standalone_mode=False)
    shown = said.stdout + said.stderr + str(said.exception or "")
    assert shown
    assert said.exception is None or not isinstance(said.exception, Exception) or isinstance(said.exception, UsageError)
    assert not CONTROL.search(shown), repr(shown[max(CONTROL.search(shown).start() - 100, 0) :][:300])


def test_json_that_is_printed_says_the_same_in_letters_that_can_be_printed():
    document = {"name\x9b": "a\x1b[2J\u202e\ufeff\U000e0001 µs"}
    assert not CONTROL.search(shown_json(document).decode())
    assert msgspec.json.decode(shown_json(document)) == document


@pytest.mark.parametrize("hostile", [ESCAPES, LONG], indirect=True, ids=["escapes", "long"])
def test_the_shell_completes_no_name_that_it_could_not_print(hostile):
    context = click.Context(connstorm)
    context.params["results"] = hostile["runs"]
    words = [item.value for item in complete_stored(context, connstorm.params[0], "")]
    assert "latest" in words
    assert "run-schema-3" in words
    assert not CONTROL.search("".join(words))


SUITE = """
name = {name}
description = {description}
[[scenario]]
name = "clean"
label = {label}
"""
PLAIN = {"name": '"suite"', "description": '"of\\ttwo\\nlines"', "label": '"a label"'}


@pytest.mark.parametrize("key", ["name", "description", "label"])
@pytest.mark.parametrize("text", ['"a\\u001b[2J"', '"a\\u202eb"', '"a\\u009bb"', '"a\\u0007"'])
def test_a_suite_with_control_characters_in_its_names_is_refused(key, text):
    decode_suite(SUITE.format(**PLAIN), "suite.toml", "suite")
    with pytest.raises(UsageError, match=r"suite.toml, line \d+: .* has control characters") as refused:
        decode_suite(SUITE.format(**PLAIN | {key: text}), "suite.toml", "suite")
    assert not CONTROL.search(str(refused.value))


@pytest.mark.parametrize("key", ["name", "label"])
@pytest.mark.parametrize("text", ['"a\\nb"', '"a\\tb"', '""', f'"{"m" * 201}"'])
def test_the_name_of_a_suite_or_scenario_is_one_line(key, text):
    with pytest.raises(UsageError, match=f"line .*: {key} must be a text in one line, of 1 to 200 characters, not"):
        decode_suite(SUITE.format(**PLAIN | {key: text}), "suite.toml", "suite")


def test_a_key_and_a_file_name_with_control_characters_are_refused():
    with pytest.raises(UsageError, match=r"The key .* has control characters"):
        decode_suite('"a\\u001b" = 1\n[[scenario]]\nname = "clean"', "suite.toml", "suite")
    with pytest.raises(UsageError, match="has control characters"):
        decode_suite('[[scenario]]\nname = "clean"', "suite.toml", "suite\x1b[2J")
