# SPDX-License-Identifier: MIT
"""The project's own history: run the suite track, keep it under results/history without its arrays, draw that folder.

The new suite is a session, and is held against those before it as ``connstorm compare --base-history`` does.

``python benchmarks/track.py [--history results/history] [--figure docs/history.png]``. The kept runs belong into the
repository: a later ``connstorm history results/history --gate`` says since which of them something is worse.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from stress.store.history_folder import copy_to_history
from stress.suite import runner
from stress.suite.config import load
from stress.suite.executor.local import Local

HOME = Path(__file__).parents[1]
SUITE = HOME / "stress" / "suites" / "track.toml"


def track(history: Path, suite: Path = SUITE, trials: int | None = None) -> Path:
    """Run a suite and keep what a history needs of it; return the folder there.

    Args:
        history: the folder of kept runs.
        suite: what is run.
        trials: of each cell, in place of the suite's own number.
    """
    what = load.read(suite)
    if trials is not None:
        what = msgspec.structs.replace(what, trials=trials)
    with tempfile.TemporaryDirectory() as results:
        path = runner.run(what, Path(results), Local(), text=suite.read_text())
        return copy_to_history(path, history)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", type=Path, default=HOME / "results" / "history")
    parser.add_argument("--figure", type=Path, default=HOME / "docs" / "history.png")
    options = parser.parse_args()
    added = track(options.history)
    program = [sys.executable, "-m", "stress"]
    # The first suite of a history has nothing to be held against: that is said, and no failure.
    against = ["compare", str(added), "--base-history", str(options.history), "--no-draw"]
    subprocess.run([*program, *against], check=False)
    drawn = ["history", str(options.history), "--figure", str(options.figure)]
    return subprocess.run([*program, *drawn], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
