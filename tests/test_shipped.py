# SPDX-License-Identifier: MIT
"""The suites that come with connstorm: by name, from any folder, and never in the way of files and stored suites."""

import json
import shutil

import pytest
from command import assert_one_sentence, connstorm

from stress.suite.config import load
from stress.suite.shipped import SHIPPED, shipped_names

NAMES = ["article", "conntrack", "crr", "kernels", "layers", "link", "remedies", "smoke", "sysctls", "track", "veth"]


def test_all_are_listed_with_their_purpose_size_and_time(tmp_path):
    assert set(NAMES) <= set(shipped_names())
    ended = connstorm("suite", "--list", "--json", cwd=tmp_path)
    rows = {row["name"]: row for row in json.loads(ended.stdout)["suites"]}
    assert list(rows) == shipped_names()
    assert all(row["description"] and row["cells"] and row["trials"] and row["seconds"] > 0 for row in rows.values())
    assert rows["smoke"]["description"] == load.read(SHIPPED / "smoke.toml").description
    table = connstorm("suite", "--list", cwd=tmp_path).stdout
    assert all(f"\n{name} " in table for name in rows)
    assert max(map(len, table.splitlines())) <= 120


def test_a_name_is_a_suite_from_any_folder(tmp_path):
    ended = connstorm("suite", "smoke", "--dry-run", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "tcp_challenge_ack_limit=5" in ended.stdout


def test_a_file_of_that_name_goes_first(tmp_path):
    (tmp_path / "smoke").write_text('[[scenario]]\nname = "clean"\nlabel = "my own"\n')
    assert "my own" in connstorm("suite", "smoke", "--dry-run", cwd=tmp_path).stdout
    (tmp_path / "track").mkdir()
    ended = connstorm("suite", "track", cwd=tmp_path)
    assert ended.returncode == 2
    assert "track is a folder" in ended.stderr


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("smok", "did you mean smoke?"),
        ("suites/smoke.toml", "the one of connstorm is: connstorm suite smoke"),
        ("storm.toml", "There is no file storm.toml, and connstorm suite --list has no storm."),
    ],
)
def test_another_name_is_refused_with_a_suggestion(tmp_path, source, said):
    assert_one_sentence(connstorm("suite", source, cwd=tmp_path), said)


def test_a_copy_is_the_file_itself_and_never_replaces_another(tmp_path):
    assert connstorm("suite", "smoke", "--copy", cwd=tmp_path).returncode == 0
    assert (tmp_path / "smoke.toml").read_bytes() == (SHIPPED / "smoke.toml").read_bytes()
    (tmp_path / "mine.toml").write_text("mine")
    for target in ([], ["smoke.toml"], ["mine.toml"]):
        ended = connstorm("suite", "smoke", "--copy", *target, cwd=tmp_path)
        assert ended.returncode == 2, target
        assert "exists" in ended.stderr
    assert (tmp_path / "mine.toml").read_text() == "mine"
    assert connstorm("suite", "--copy", "smoke", cwd=tmp_path).returncode == 2
    assert connstorm("suite", "smok", "--copy", "new.toml", cwd=tmp_path).returncode == 2
    assert not (tmp_path / "new.toml").exists()


def test_with_resume_a_stored_suite_goes_first(tmp_path):
    """The stored one is of another file that has the same name."""
    frozen = SHIPPED.parents[1] / "tests" / "data"
    (suite, *_) = sorted(path for path in frozen.iterdir() if (path / "suite.json").exists())
    shutil.copytree(suite, tmp_path / "results" / "20260131T120000Z-suite-smoke-1a2b3c")
    named = connstorm("suite", "smoke", "--resume", "--dry-run", cwd=tmp_path)
    whole = connstorm("suite", "results/20260131T120000Z-suite-smoke-1a2b3c", "--resume", "--dry-run", cwd=tmp_path)
    assert (named.returncode, named.stdout) == (whole.returncode, whole.stdout)
    assert "tcp_challenge_ack_limit=5" not in named.stdout
