# SPDX-License-Identifier: MIT
"""Run every scenario, or those named, once and store the picture that docs/catalogue.md shows of it."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from stress.model.errors import NotApplicableError
from stress.model.world import Topology
from stress.storm.catalogue import SCENARIOS
from stress.view.figure.run.run_figures import main_figure_name

PICTURES = Path(__file__).parents[1] / "catalogue"
CAPTURED = ("article", "closewait", "one-second", "rst-dropped")  # with the packets of an attempt


def has_hosts(name: str) -> bool:
    """Return whether packets of a scenario go from host to host: a capture shows where they are lost."""
    return any(act.world.topology is not Topology.LOOPBACK for act in SCENARIOS[name].plan.storms().values())


def main(names: list[str]) -> None:
    PICTURES.mkdir(exist_ok=True)
    for name in names or SCENARIOS:
        with tempfile.TemporaryDirectory() as results:
            command = [sys.executable, "-m", "stress", "run", name, "--json", "--output", results]
            command += ["--capture"] if name in CAPTURED or has_hosts(name) else []
            process = subprocess.run(command, stdout=subprocess.PIPE, check=False)
            if process.returncode == NotApplicableError.exit_code:  # it has said why; the picture stays as it is
                continue
            process.check_returncode()
            run = json.loads(process.stdout)
            shutil.copy(Path(run["path"]) / main_figure_name(name), PICTURES / f"{name}.png")
            sys.stderr.write(f"{name}: {'; '.join(run['summary']['warnings']) or 'no warnings'}\n")


main(sys.argv[1:])
