# SPDX-License-Identifier: MIT
"""Run every scenario once and keep the picture that docs/catalogue.md shows of it."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from stress.storm.catalogue import SCENARIOS

PICTURES = Path(__file__).with_name("catalogue")
OWN = {"port-cost": "cost.png", "port-choice": "choice.png"}  # the others show their timeline
OPTIONS = {"article": ["--capture"], "closewait": ["--capture"], "rst-dropped": ["--capture"]}


def main(names: list[str]) -> None:
    PICTURES.mkdir(exist_ok=True)
    for name in names or SCENARIOS:
        with tempfile.TemporaryDirectory() as results:
            command = [sys.executable, "-m", "stress", "run", name, "--json", "--output", results]
            done = subprocess.run([*command, *OPTIONS.get(name, [])], stdout=subprocess.PIPE, check=True)
            run = json.loads(done.stdout)
            shutil.copy(Path(run["path"]) / OWN.get(name, "timeline.png"), PICTURES / f"{name}.png")
            sys.stderr.write(f"{name}: {'; '.join(run['summary']['warnings']) or 'no warnings'}\n")


main(sys.argv[1:])
