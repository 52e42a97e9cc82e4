# SPDX-License-Identifier: MIT
"""The recipes for CI: valid by the services' own schemas. test_action.py runs the steps of the action."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ACTION = ROOT / "action.yml"
GITLAB = re.search(r"```yaml\n(# \.gitlab-ci\.yml\n.*?)```", (ROOT / "docs/ci.md").read_text(), re.DOTALL)


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
