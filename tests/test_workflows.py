# SPDX-License-Identifier: MIT
"""The workflows and the action: they give nothing away, and what they and the checklist name exists."""

import re
import subprocess

import pytest
import yaml
from house import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
ACTION = REPOSITORY / "action.yml"
TEXTS = {path.name: path.read_text() for path in (*WORKFLOWS, ACTION)}
USES = re.compile(r"^ *(?:- )?uses: (?P<what>\S+)(?P<comment>.*)$", re.MULTILINE)
TARGET = re.compile(r"^make ([a-z][\w/.-]*)", re.MULTILINE)
BUILDS = re.compile(r"make \"test-\$BUILD\"")


def jobs_of(name):
    return yaml.safe_load(TEXTS[name])["jobs"]


def steps_of(name):
    document = yaml.safe_load(TEXTS[name])
    if "runs" in document:
        return document["runs"]["steps"]
    return [step for job in document["jobs"].values() for step in job["steps"]]


def targets_named(text):
    return {target.rstrip(".") for target in TARGET.findall(text)}


@pytest.mark.parametrize("name", TEXTS)
def test_what_others_wrote_is_named_by_a_hash_or_marked(name):
    for match in USES.finditer(TEXTS[name]):
        if match["what"] == "./":
            continue
        pinned = re.search("@[0-9a-f]{40}$", match["what"]) and re.fullmatch(r" # v\d+(\.\d+)+", match["comment"])
        assert pinned or match["comment"].startswith(" # pin before release"), match[0]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_says_what_its_token_may_do_and_ends(path):
    document = yaml.safe_load(TEXTS[path.name])
    assert document["permissions"] in ({}, {"contents": "read"}), "what is more is a job's own"
    for name, job in document["jobs"].items():
        assert "timeout-minutes" in job, name
        assert document["permissions"] or job["permissions"], name


@pytest.mark.parametrize("name", TEXTS)
def test_no_token_is_left_in_a_checkout_and_no_expression_becomes_a_program(name):
    for step in steps_of(name):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", ""), "a variable of the environment is no part of the program"


@pytest.mark.parametrize("name", TEXTS)
def test_programs_are_those_of_a_shell(name):
    for step in steps_of(name):
        ended = subprocess.run(["bash", "-n"], input=step.get("run", ""), capture_output=True, text=True, check=False)
        assert not ended.stderr, step["run"]


def test_only_a_pushed_tag_publishes():
    document = yaml.safe_load(TEXTS["release.yml"])
    assert document[True] == {"push": {"tags": ["v*"]}, "workflow_dispatch": None}  # YAML 1.1 reads on as true
    pushed = "github.event_name == 'push'"
    assert document["jobs"]["publish"]["if"] == pushed
    steps = document["jobs"]["image"]["steps"]
    (published,) = [step for step in steps if "docker push" in step.get("run", "")]
    assert published["if"] == pushed
    for job in ("check", "wheels"):
        assert document["jobs"][job]["permissions"] == {"contents": "read"}


def test_targets_that_are_named_are_in_the_makefile():
    named = set()
    for name in ("release.yml", "connstorm.yml", "kernels.yml"):
        scripts = [step.get("run", "") for step in steps_of(name)]
        named |= targets_named("\n".join(scripts))
        if any(BUILDS.search(script) for script in scripts):
            named |= {f"test-{build}" for build in jobs_of(name)["builds"]["strategy"]["matrix"]["build"]}
    for file in ("docs/release.md", "docs/reliability.md", "CONTRIBUTING.md", "SECURITY.md"):
        text = (REPOSITORY / file).read_text() if (REPOSITORY / file).exists() else ""
        code = re.findall(r"```\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
        named |= targets_named("\n".join(code))
    assert {"build", "release-check", "test-debug", "test-sanitize", "test-oldest", "test-engines", "kill"} <= named
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = {word for line in re.findall(r"^([a-z][^:=\n]*):", makefile, re.MULTILINE) for word in line.split()}
    assert named - targets == set()
