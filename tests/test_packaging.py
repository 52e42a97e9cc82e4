# SPDX-License-Identifier: MIT
"""What is installed is what is in the tree: a wheel, the modules that are started by name, the catalogue's pages."""

import importlib
import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from house import PACKAGE, REPOSITORY
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stress.storm.catalogue import SCENARIOS

CONSTRAINTS = REPOSITORY / ".ci" / "constraints.txt"
CATALOGUE = REPOSITORY / "docs" / "catalogue.md"
STARTED = re.compile(r'"-m", "(stress[\w.]*)"')
NOT_SOURCE = (".venv", ".git", "build", "*.egg-info", ".*_cache", "__pycache__", "results", "*.so")
SUITE = 'trials = 1\n[[scenario]]\nname = "clean"\nattempts = 16\n'
PYTEST = """
def test_storm_is_a_fixture(storm):
    assert storm
"""


def started_by_name():
    """Return {module: the file that starts it with ``python -m``}."""
    files = sorted(PACKAGE.rglob("*.py"))
    return {name: path.name for path in files for name in STARTED.findall(path.read_text())}


def test_each_requirement_is_pinned_to_a_release_that_it_allows():
    pinned = dict(line.split("==") for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#"))
    pinned = {canonicalize_name(name): version for name, version in pinned.items()}
    document = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    groups = [
        document["build-system"]["requires"],
        document["project"]["dependencies"],
        *document["project"]["optional-dependencies"].values(),
        *document["dependency-groups"].values(),
    ]
    for requirement in (Requirement(text) for group in groups for text in group if not text.startswith("connstorm[")):
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])


def test_modules_that_are_started_by_name_exist():
    names = started_by_name()
    assert len(names) == 10, names
    for name in names:
        module = importlib.util.find_spec(f"{name}.__main__" if name == "stress" else name)
        assert module is not None, f"{names[name]} starts {name}"
        text = Path(module.origin).read_text()
        assert 'if __name__ == "__main__":' in text or name == "stress", f"{name} does nothing when it is started"


def test_entry_points_name_what_exists():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    points = [*project["scripts"].values(), *project["entry-points"]["pytest11"].values()]
    assert len(points) == 2
    for point in points:
        module, _, name = point.partition(":")
        loaded = importlib.import_module(module)
        assert not name or callable(getattr(loaded, name))


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_has_its_section_and_its_picture(name):
    text = CATALOGUE.read_text()
    assert f"\n## {name}\n" in text
    assert f"](catalogue/{name}.png)" in text
    assert (CATALOGUE.parent / "catalogue" / f"{name}.png").is_file()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return a wheel of a copy of the tree, built by what is installed here."""
    home = tmp_path_factory.mktemp("wheel")
    shutil.copytree(REPOSITORY, home / "tree", ignore=shutil.ignore_patterns(*NOT_SOURCE))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", home, "."]
    subprocess.run(list(map(str, command)), cwd=home / "tree", check=True, capture_output=True, text=True)
    (path,) = home.glob("connstorm-*.whl")
    return path


def test_a_wheel_has_every_module(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    sources = {str(path.relative_to(REPOSITORY)) for path in PACKAGE.rglob("*.py")}
    assert sources - inside == set()
    assert not [name for name in inside if name.startswith("stress/") and name.endswith(".c")]
    assert {"stress/py.typed", "stress/_fastconnect.pyi", "stress/_fastconnect.pyx"} <= inside
    assert {f"stress/suites/{path.name}" for path in (PACKAGE / "suites").iterdir()} <= inside
    assert any(name.endswith(".data/data/share/man/man1/connstorm.1") for name in inside)


def test_a_wheel_works_from_another_folder(wheel, tmp_path):
    """The libraries are those of the environment that runs the tests; connstorm is the wheel's alone."""
    home = tmp_path / "environment"
    venv.create(home, with_pip=False, symlinks=True)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    python = str(home / "bin" / "python")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (tmp_path / "suite.toml").write_text(SUITE)
    (tmp_path / "test_mine.py").write_text(PYTEST)

    def run(*arguments):
        ended = subprocess.run(
            [python, *map(str, arguments)], cwd=tmp_path, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    where = run("-c", "import stress; print(stress.__file__)").strip()
    assert Path(where).is_relative_to(packages)
    assert "connstorm" in run("-m", "stress", "--version")
    assert "32 connected" in run("-m", "stress", "run", "clean", "--port-range", "40000-40031", "-o", "results")
    assert "clean" in run("-m", "stress", "suite", "suite.toml", "--dry-run")
    assert "closewait" in run("-m", "stress", "suite", "smoke", "--dry-run")
    assert "1 passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py")  # found by its entry point
