# SPDX-License-Identifier: MIT
"""The base installation: what works without the optional packages, and the sentence where one is missing."""

import os
import re
import subprocess
import sys
import tomllib

import msgspec
import pytest
from command import REPOSITORY, assert_one_sentence, connstorm, program

from stress.model.plan import Plan

OPTIONAL = (
    *("scipy", "scapy", "allpairspy", "asyncssh", "distributed", "cryptography"),
    *("pyarrow", "hdrh", "pytest_benchmark"),
)
BASE = {"click", "jinja2", "matplotlib", "msgspec", "numpy", "pyroute2", "rich", "tomli-w"}
HEAVY = ("matplotlib", "scipy", "scapy", "jinja2", "rich", "distributed")
SMALL = ["--port-range", "40000-40031"]
SUITE = 'trials = 1\nwarmup = 0\nsettle_s = 0\n[defaults]\nport_range = [40000, 40031]\n[[scenario]]\nname = "clean"\n'
DATA = REPOSITORY / "tests" / "data"


@pytest.fixture
def base(tmp_path):
    """Return the environment of a program for which the optional packages are not there."""
    home = tmp_path / "without"
    home.mkdir()
    (home / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({OPTIONAL}))\n")
    path = os.pathsep.join(filter(None, [str(home), os.environ.get("PYTHONPATH")]))
    return {"env": os.environ | {"PYTHONPATH": path}, "cwd": tmp_path}


def project():
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def names_of(requirements):
    return {re.match(r"[\w-]+", text)[0].lower() for text in requirements}


def test_the_base_and_everything_are_what_they_are_called():
    assert names_of(project()["dependencies"]) == BASE
    extras = project()["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(re.findall(r"[a-z]+", everything.partition("[")[2])) == set(extras) - {"all"}
    readme = (REPOSITORY / "README.md").read_text()
    assert all(f"`{extra}`" in readme for extra in extras if extra != "all")


def test_a_storm_its_report_its_page_and_its_pictures_need_no_extra(base):
    assert connstorm("run", "closewait", "--mines", "4", *SMALL, **base).returncode == 0
    ended = connstorm("run", "closewait", "--mines", "4", "--capture", *SMALL, **base)  # there is one before it
    assert ended.returncode == 0, ended.stderr
    for command in (["list"], ["show", "latest"], ["plot", "latest", "-o", "again"], ["explain", "1.02s"]):
        ended = connstorm(*command, **base)
        assert ended.returncode == 0, ended.stderr
    ended = connstorm("report", "latest", "-o", "page.html", **base)
    assert ended.returncode == 0, ended.stderr
    assert (base["cwd"] / "page.html").stat().st_size > 100_000


def test_a_suite_of_one_cell_needs_no_extra_and_one_of_several_says_which_before_it_begins(base):
    (base["cwd"] / "one.toml").write_text(SUITE)
    (base["cwd"] / "two.toml").write_text(f"{SUITE}[scenario.matrix]\nattempts = [16, 32]\n")
    ended = connstorm("suite", "one.toml", **base, under=["unshare", "-Urn"])
    assert ended.returncode == 0, ended.stderr
    refused = connstorm("suite", "two.toml", "-o", "none", **base)
    assert_one_sentence(refused, "A suite of several cells needs the package scipy", "pip install 'connstorm[compare]'")
    assert not (base["cwd"] / "none").exists()


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        (["compare", "{0}", "{1}", "--no-draw"], "scipy", "compare"),
        (["export", "{0}", "--format", "parquet", "-o", "a.parquet"], "pyarrow", "parquet"),
        (["export", "{0}", "--format", "hlog"], "hdrh", "hdrhistogram"),
        (["suite", "smoke", "--executor", "ssh", "--hosts", "lab1", "--dry-run"], "asyncssh", "fleet"),
        (["suite", "smoke", "--executor", "dask:tcp://lab0:1", "--dry-run"], "distributed", "fleet"),
        (["worker", "tcp://lab0:1"], "distributed", "fleet"),
    ],
)
def test_what_is_missing_is_named_with_what_brings_it(base, command, package, extra):
    words = [word.format(DATA / "run-schema-2", DATA / "run-schema-3") for word in command]
    ended = connstorm(*words, **base)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert f"needs the package {package}, which is not installed: pip install 'connstorm[{extra}]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_process_of_a_trial_loads_nothing_that_draws_compares_or_prints(tmp_path):
    """It is what runs on a host of a fleet."""
    plan = msgspec.json.encode(Plan(scenario="clean", attempts=8))
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", *program("run-cell", "--no-draw", "--output", tmp_path)[1:]],
        input=plan,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.decode().splitlines()}
    assert "numpy" in loaded
    assert not loaded & set(HEAVY)
