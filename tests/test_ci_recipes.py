# SPDX-License-Identifier: MIT
"""The recipes for CI: valid by the services' own schemas, and their steps really run, as far as they run here."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ACTION = ROOT / "action.yml"
GITLAB = re.search(r"```yaml\n(# \.gitlab-ci\.yml\n.*?)```", (ROOT / "docs/ci.md").read_text(), re.DOTALL)
TINY = """
trials = 1
warmup = 0
settle_s = 0.1
[defaults]
port_range = [40000, 40063]
[[scenario]]
name = "clean"
attempts = 64
[[gate]]
expr = "cause.unknown == 0"
"""


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.github-actions", ACTION),
        *(("vendor.github-workflows", file) for file in sorted((ROOT / ".github/workflows").glob("*.yml"))),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_github_accepts_the_files(schema, file):
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", schema, file]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_gitlab_accepts_the_recipe(tmp_path):
    (tmp_path / ".gitlab-ci.yml").write_text(GITLAB[1])
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci"]
    ended = subprocess.run([*command, tmp_path / ".gitlab-ci.yml"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def step(name, inputs, home, **outputs):
    """Run a step of the action as GitHub's runner does, in a private namespace; return how it ended and its outputs."""
    steps = {entry["name"]: entry for entry in yaml.safe_load(ACTION.read_text())["runs"]["steps"]}
    known = {
        name: str(entry["default"]) for name, entry in yaml.safe_load(ACTION.read_text())["inputs"].items()
    } | inputs

    def filled(match):
        kind, _, rest = match[1].partition(".")
        return known[rest] if kind == "inputs" else outputs[rest.rpartition(".")[2]]

    written = home / "github_output"
    environment = {
        key: re.sub(r"\$\{\{ (.*?) \}\}", filled, value) for key, value in steps[name].get("env", {}).items()
    }
    runner = {
        "RUNNER_TEMP": str(home),
        "GITHUB_OUTPUT": str(written),
        "GITHUB_STEP_SUMMARY": str(home / "summary.md"),
    }
    ended = subprocess.run(
        ["unshare", "-Urn", "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps[name]["run"]],
        cwd=home,
        env=os.environ | environment | runner,
        capture_output=True,
        text=True,
        check=False,
    )
    text = written.read_text() if written.exists() else ""
    return ended, dict(line.partition("=")[::2] for line in text.splitlines())


@pytest.fixture
def home(tmp_path):
    """Return a runner's folder in which the program is installed."""
    (tmp_path / "connstorm").mkdir()
    (tmp_path / "connstorm" / "bin").symlink_to(Path(sys.executable).parent)
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path


def test_the_steps_of_the_action_run_a_suite_and_hold_it_to_its_gates(home):
    ended, outputs = step("Run the suite", {"suite": "tiny.toml"}, home)
    assert ended.returncode == 0, ended.stderr
    assert (home / outputs["folder"] / "suite.json").exists()
    ended, outputs_of_gate = step("Hold it to its gates", {}, home, folder=outputs["folder"])
    assert ended.returncode == 0, ended.stderr
    assert outputs_of_gate["verdict"] == "passed"
    assert "1 condition holds" in (home / "summary.md").read_text()
    inputs = {"baseline": outputs["folder"], "expr": "rate >= 1000000000\nerrors == 0", "options": "--strict"}
    ended, outputs_of_gate = step("Hold it to its gates", inputs, home, folder=outputs["folder"])
    assert ended.returncode == 1
    assert outputs_of_gate["verdict"] == "regressed"
    states = {condition["expr"]: condition["state"] for condition in verdict(home)["conditions"]}
    assert states == {"rate >= 1000000000": "broken", "errors == 0": "holds", "cause.unknown == 0": "holds"}


def verdict(home):
    return json.loads((home / "results/gate/verdict.json").read_bytes())


def test_a_suite_that_cannot_be_read_fails_its_step(home):
    ended, _ = step("Run the suite", {"suite": "nowhere.toml"}, home)
    assert ended.returncode == 2
    assert "nowhere.toml" in ended.stderr
