# SPDX-License-Identifier: MIT
"""Names in files and of hosts are shown, and obeyed by no terminal."""

import re
import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from stress.cli.main import connstorm
from stress.cli.output import console
from stress.model.errors import LONGEST, UsageError
from stress.model.text import shown_text
from stress.view.text.markdown import escape

DATA = Path(__file__).parent / "data"
HOSTILE = "a\x1b[2J\u202eb\x9bc\x07"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_what_a_terminal_obeys_becomes_a_question_mark():
    assert shown_text(HOSTILE) == "a?[2J?b?c?"
    assert shown_text("11 µs – 3\n\t🔴") == "11 µs – 3\n\t🔴"
    assert str(UsageError(f"There is no {HOSTILE}.\nNor this.")) == "There is no a?[2J?b?c?.\nNor this."
    assert "\x1b" not in escape(HOSTILE)
    assert len(str(UsageError("a" * 10_000_000))) == LONGEST + 1


def test_a_console_prints_what_a_terminal_does_not_obey(capsys):
    console().print(HOSTILE, markup=False)
    assert capsys.readouterr().out == "a?[2J?b?c\n"  # rich itself leaves a bell out


def hostile_copy(folder, frozen, *names):
    """Copy a frozen folder, with every text of some names of its JSON files followed by control characters."""
    copy = Path(shutil.copytree(DATA / frozen, folder / f"{frozen}\x1b[2J"))
    for file in copy.rglob("*.json"):
        text = file.read_text()
        for name in names:
            pattern = rf'("{name}":\s*"[^"]*)"'
            text = re.sub(pattern, lambda match: match[1] + '\\\\u001b[2J\\\\u202e"'.replace("\\\\", "\\"), text)
        msgspec.json.decode(text)
        file.write_text(text)
    return copy


@pytest.mark.parametrize(
    ("words", "frozen", "names"),
    [
        (["show"], "run-schema-3-digest", ()),
        (["show"], "run-schema-3", ("scenario", "cpu", "kernel", "program", "name")),
        (["show"], "suite-schema-1", ("cpu", "kernel", "program", "description", "reason")),
        (["export", "--format", "benchfmt"], "suite-schema-1", ("cpu", "kernel", "program")),
    ],
    ids=["run", "hostile-run", "suite", "benchfmt"],
)
def test_no_verb_prints_what_a_terminal_obeys(tmp_path, words, frozen, names):
    copy = hostile_copy(tmp_path, frozen, *names)
    said = CliRunner().invoke(connstorm, [*words, str(copy)])
    shown = said.output + str(said.exception or "")
    assert shown
    assert not OBEYED.search(shown), repr(shown[:2000])


def test_a_list_prints_names_of_folders_that_a_terminal_does_not_obey(tmp_path):
    hostile_copy(tmp_path, "run-schema-3", "scenario")
    said = CliRunner().invoke(connstorm, ["list", str(tmp_path)])
    assert "run-schema-3?[2J" in said.output.replace("\n", "")
    assert not OBEYED.search(said.output)


def test_a_name_that_is_half_a_formula_is_drawn(tmp_path):
    copy = Path(shutil.copytree(DATA / "run-schema-3", tmp_path / "copy"))
    text = (copy / "run.json").read_text()
    text = re.sub(r'("(scenario|cpu|kernel|name)":\s*"[^"]*)"', lambda match: match[1] + ' $\\\\frac{"', text)
    (copy / "run.json").write_text(text)
    said = CliRunner().invoke(connstorm, ["plot", str(copy), "-o", str(tmp_path / "pictures")])
    assert said.exit_code == 0, said.output
    assert list((tmp_path / "pictures").rglob("*.png"))
