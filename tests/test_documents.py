# SPDX-License-Identifier: MIT
"""The documents: what they name exists, and what they show can be called."""

import re
import shlex
import subprocess
import sys

import click
import pytest
from command import connstorm
from house import REPOSITORY

from stress.cli.main import connstorm as group

README = REPOSITORY / "README.md"
DOCUMENTS = [
    README,
    REPOSITORY / "ARCHITECTURE.md",
    REPOSITORY / "CONTRIBUTING.md",
    *(REPOSITORY / "docs").glob("*.md"),
]
GENERATE = REPOSITORY / "docs" / "generate"
README_LINES_MAX = 125
LINK = re.compile(r"\]\(([^)#:]+)(?:#([\w-]+))?\)")
PLACEHOLDER = re.compile(r"[A-Z]{2,}|<|…|\.\.\.|\$")  # of a form, not of a command that can be called
QUICK = [["--version"], ["scenarios"], ["explain"], ["doctor"]]


def commands(path):
    """Yield the words of each command line of the program that stands in a block of code."""
    for block in re.findall(r"^```\w*\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            match = re.match(r"\s*(?:\$ )?(?:\.venv/bin/)?connstorm (.*?)(?:  .*|#.*)?$", line)
            if match and not PLACEHOLDER.search(match[1]):
                yield shlex.split(match[1].rstrip(" \\"))


@pytest.mark.parametrize("name", ["README.md", "docs/catalogue.md", "docs/symptoms.md"])
def test_the_table_of_symptoms_is_current(name, tmp_path):
    subprocess.run([sys.executable, GENERATE / "symptoms.py", tmp_path], check=True)
    assert (tmp_path / name).read_text() == (REPOSITORY / name).read_text(), "make symptoms"


def test_the_schemas_are_current(tmp_path):
    subprocess.run([sys.executable, GENERATE / "schema.py", tmp_path], check=True)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {name: (REPOSITORY / "docs" / name).read_text() for name in written}, (
        "touch stress/model/*.py; make docs/run.schema.json"
    )


def test_the_readme_begins_with_the_table_of_symptoms():
    headings = re.findall(r"^#.*$", README.read_text(), re.MULTILINE)
    assert headings[1] == "## What you see, and what it may be"


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= README_LINES_MAX


def test_links_lead_somewhere():
    broken = []
    for path in DOCUMENTS:
        for target, anchor in LINK.findall(path.read_text()):
            file = path.parent / target
            if not file.exists():
                broken.append(f"{path.name}: {target}")
            elif anchor and file.suffix == ".md":
                heads = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
                if anchor not in {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}:
                    broken.append(f"{path.name}: {target}#{anchor}")
    assert not broken


def test_commands_of_the_documents_have_options_that_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = []
    shown = [(path.name, words) for path in DOCUMENTS for words in commands(path)]
    assert len(shown) > 30
    for name, words in shown:
        command, rest = group, words
        context = click.Context(group, **group.context_settings)
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            command, rest = command.get_command(context, rest[0]), rest[1:]
            if command is None:
                break
        if command is None:
            wrong.append(f"{name}: {shlex.join(words)}: no such verb")
            continue
        options = {text for option in command.get_params(context) for text in option.opts + option.secondary_opts}
        ours = rest[: rest.index("--")] if "--" in rest else rest  # what follows is the command of somebody else
        unknown = {word.partition("=")[0] for word in ours if word.startswith("--")} - options - {"--version", "--help"}
        if unknown:
            wrong.append(f"{name}: {shlex.join(words)}: {unknown}")
    assert not wrong


@pytest.mark.parametrize("words", QUICK, ids=lambda words: words[0])
def test_commands_of_the_readme_that_are_quick_run(words):
    assert connstorm(*words).returncode == 0


@pytest.mark.parametrize("name", ["cli", "attribution"])
def test_generated_pages_are_current(name, tmp_path):
    """The page of the command line, and the tables of rules."""
    made = tmp_path / "page.md"
    subprocess.run([sys.executable, GENERATE / f"{name}.py", made], check=True)
    assert made.read_text() == (REPOSITORY / "docs" / f"{name}.md").read_text(), f"make docs/{name}.md"


def test_the_page_for_operators_shows_five_commands_with_their_outputs():
    """What they print differs from time to time: make operate."""
    listed = subprocess.run(
        [sys.executable, GENERATE / "operate.py", "--commands"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    text = (REPOSITORY / "docs" / "operate.md").read_text()
    blocks = re.findall(r"^```\n\$ (.*)\n((?:(?!```).*\n)+)```", text, re.MULTILINE)
    assert [command for command, _ in blocks] == listed
    assert len(blocks) == 5
    assert max(len(line) for _, output in blocks for line in output.splitlines()) <= 80
    for part in ("head", "foot"):
        assert (GENERATE / f"operate_{part}.md").read_text() in text


def test_the_page_of_attribution_has_room_for_rules_and_worlds():
    text = (REPOSITORY / "docs" / "attribution.md").read_text()
    marks = [
        f"<!-- {part}: {end} -->"
        for part in ("rules", "packet rules", "captures", "worlds")
        for end in ("begin", "end")
    ]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert all(text.count(mark) == 1 for mark in marks)
