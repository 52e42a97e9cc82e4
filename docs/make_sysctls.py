# SPDX-License-Identifier: MIT
"""Write docs/sysctls.md and docs/sysctls.png from a folder of suites/sysctls.toml.

``python docs/make_sysctls.py results/<the suite's folder>``; what it found is told in docs/sysctls_head.md, by hand.
"""

import sys
from pathlib import Path

from stress.cli.suite import caption
from stress.store import suite_folder
from stress.suite.cell_results import count_missing, read_cell_trials
from stress.view.figure.save import save_figure
from stress.view.figure.suite.multiples import multiples_figure
from stress.view.text.suite_markdown import suite_markdown

HERE = Path(__file__).parent


def main(path: Path) -> None:
    file = suite_folder.read(path)
    found = read_cell_trials(path, file)
    if count_missing(file, found):
        sys.exit(f"{path} is not complete; go on with it first: connstorm suite {path} --resume")
    save_figure(multiples_figure(found, "What settings change about connect()", caption(file)), HERE / "sysctls.png")
    (attestation, *_) = file.fingerprints.values()
    head = (HERE / "sysctls_head.md").read_text().rstrip()
    host = f"Linux {attestation.host.kernel}, {attestation.host.cpu}, {attestation.host.cpus} virtual CPUs"
    measured = f"Measured on {host}, {file.started_utc[:10]}; {file.suite.trials} trials of each of {len(found)} cells."
    (HERE / "sysctls.md").write_text(f"{head}\n\n## All of it\n\n{measured}\n\n{suite_markdown(found)}")


main(Path(sys.argv[1]))
