# SPDX-License-Identifier: MIT
"""The recipes for CI: valid by the services' own schemas, and run as they stand. test_action.py runs the action."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from composite import TINY

ROOT = Path(__file__).parents[1]
ACTION = ROOT / "action.yml"
RECIPES = dict(re.findall(r"```yaml\n# ([^\n]*\.yml)\n(.*?)```", (ROOT / "docs/ci.md").read_text(), re.DOTALL))
AB, USE, GITLAB = (
    RECIPES[f".{name}.yml"] for name in ("github/workflows/ab", "github/workflows/connstorm", "gitlab-ci")
)
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SERVER = """#!/usr/bin/env python3
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), backlog=1024)
while True:
    server.accept()[0].close()
"""


def check(schema, *files):
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", schema, *files]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_github_and_gitlab_accept_the_files(tmp_path):
    for name, text in {"ab": AB, "connstorm": USE, ".gitlab-ci": GITLAB}.items():
        (tmp_path / f"{name}.yml").write_text(text)
    check("vendor.github-actions", ACTION)
    check("vendor.github-workflows", *WORKFLOWS, tmp_path / "ab.yml", tmp_path / "connstorm.yml")
    check("vendor.gitlab-ci", tmp_path / ".gitlab-ci.yml")


def steps_of(text):
    return [step for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("text", [AB, USE, *(file.read_text() for file in WORKFLOWS)])
def test_actions_of_others_are_pinned_and_ours_is_given_what_it_takes(text):
    inputs = yaml.safe_load(ACTION.read_text())["inputs"]
    for step in steps_of(text):
        action, _, version = step.get("uses", "").partition("@")
        if action.startswith("actions/"):
            assert re.fullmatch("[0-9a-f]{40}", version)
            assert re.search(rf"{version} # v[\d.]+$", text, re.MULTILINE), "the version stands next to its hash"
        elif action:
            assert set(step.get("with", {})) <= set(inputs)


@pytest.fixture
def repository(tmp_path):
    """Return an empty repository, the program on the path, and a pip that has nothing to do; "smoke" is a small one."""
    programs = tmp_path / "bin"
    programs.mkdir()
    texts = {"connstorm": f'exec {sys.executable} -m stress "$@"', "pip": ":", "sudo": ":"}
    for name, text in texts.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    (tmp_path / "smoke").write_text(TINY)
    return tmp_path


def run(script, repository, **variables):
    """Run a script as the services do, in a private namespace, so that suites of other tests run meanwhile."""
    environment = {"PATH": f"{repository / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["unshare", "-Urn", "bash", "-eo", "pipefail", "-c", script],
        cwd=repository,
        env=os.environ | environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_recipe_for_gitlab_finds_in_its_second_run_what_the_first_has_stored(repository):
    job = yaml.safe_load(GITLAB)["connstorm"]
    script = "\n".join(job["script"])
    first = run(script, repository, HISTORY="pull-push")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "the cache was lost" in first.stdout
    second = run(script, repository, HISTORY="pull")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "the cache was lost" not in second.stdout
    assert len(list((repository / ".connstorm").glob("*-suite-*"))) == 1  # a merge request adds nothing
    assert (repository / job["artifacts"]["reports"]["junit"]).is_file()
    assert (repository / "results" / "report.html").is_file()


def test_the_recipe_for_two_builds_runs_them_in_turn(repository):
    """Its command as it stands, with fewer trials: what they prove is not of interest here."""
    for build in ("main", "pr"):
        (repository / build).mkdir()
        (repository / build / "server").write_text(SERVER)
        (repository / build / "server").chmod(0o755)
    (command,) = [step["run"] for step in steps_of(AB) if "connstorm ab" in step.get("run", "")]
    ended = run(f"{command.strip()} --trials 1 --attempts 200", repository)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert list(repository.glob("results/gate/*/verdict.json"))


def test_the_gates_of_the_kernels_workflow_are_summarised(repository):
    """Its step as it stands, after a suite that did not boot a kernel."""
    (step,) = [
        step
        for step in steps_of((ROOT / ".github/workflows/kernels.yml").read_text())
        if step.get("name") == "Its gates"
    ]
    (repository / ".venv").mkdir()
    (repository / ".venv" / "bin").symlink_to(repository / "bin")
    (repository / "bin" / "python").symlink_to(sys.executable)
    suite = "connstorm suite smoke --json > suite.json\n"
    ended = run(suite + step["run"], repository, GITHUB_STEP_SUMMARY=str(repository / "summary.md"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "condition holds" in (repository / "summary.md").read_text()
