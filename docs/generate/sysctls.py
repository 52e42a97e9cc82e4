# SPDX-License-Identifier: MIT
"""Write docs/sysctls.md and docs/sysctls.png from a folder of the suite sysctls.

``python docs/generate/sysctls.py results/<the suite's folder>``; docs/generate/sysctls_head.md, written by hand, says
what the suite shows.
"""

import sys
from pathlib import Path

from stress.store import suite_folder
from stress.suite.cell_results import count_missing, read_cell_trials
from stress.view.figure.save import save_figure
from stress.view.figure.suite.suite_figure import suite_figure
from stress.view.text.busy_wording import busy_text
from stress.view.text.suite_caption import caption
from stress.view.text.suite_markdown import suite_markdown

HERE = Path(__file__).parent
DOCS = HERE.parent


def main(path: Path) -> None:
    manifest = suite_folder.read(path)
    cells = read_cell_trials(path, manifest)
    if count_missing(cells):
        sys.exit(f"{path} is not complete; resume it first: connstorm suite {path} --resume")
    figure = suite_figure(cells, manifest.suite.name, caption(manifest), busy_text(cells))
    save_figure(figure, DOCS / "sysctls.png")
    (fingerprint, *_) = manifest.fingerprints.values()
    host = f"Linux {fingerprint.host.kernel}, {fingerprint.host.cpu}, {fingerprint.host.cpus} virtual CPUs"
    trials = f"{manifest.suite.trials} trials of each of {len(cells)} cells"
    measured = f"Measured on {host}, {manifest.started_utc[:10]}; {trials}."
    head = (HERE / "sysctls_head.md").read_text().rstrip()
    (DOCS / "sysctls.md").write_text(f"{head}\n\n## All of it\n\n{measured}\n\n{suite_markdown(cells)}")


main(Path(sys.argv[1]))
