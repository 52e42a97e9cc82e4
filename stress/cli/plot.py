# SPDX-License-Identifier: MIT
"""connstorm plot: the figures of stored runs again."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import click

from stress.analysis.attribution.summary import analyse
from stress.cli.stored import complete_stored, results_option
from stress.cli.streams import print_text
from stress.cli.suite import FIGURE, draw_suite
from stress.cli.verb import Verb
from stress.model.errors import UsageError
from stress.store import run_folder, suite_folder
from stress.store.stored_names import find_stored
from stress.store.suite_folder import SUITE_FILE
from stress.suite.cell_results import read_cell_trials
from stress.view.text.busy_wording import busy_text


@click.command(cls=Verb)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", shell_complete=complete_stored)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="the folder for the figures; by default the working directory",
)
@results_option
def plot(runs: tuple[str, ...], output: Path | None, results: Path) -> None:
    """Draw the figures of each stored RUN or suite again, as <run>-timeline.png and so on; no stored folder changes."""
    stored = [(path, read_figures(path)) for path in (find_stored(text, results) for text in runs)]
    target = output or Path()
    run_folder.check_writable(target)
    for path, figures in stored:
        for name, draw in figures().items():
            picture = target / f"{path.resolve().name}-{name}"
            draw(picture)
            print_text(str(picture))


def read_figures(path: Path) -> Callable[[], Mapping[str, Callable[[Path], None]]]:
    """Read a run or a suite; return what makes its figures: by file name, the function that draws one.

    Raises:
        UsageError: it is neither, or it is damaged, or the suite has no trial that is done.
    """
    if (path / SUITE_FILE).is_file():
        file = suite_folder.read(path)
        cells = read_cell_trials(path, file)
        if not any(trials.done for trials in cells):
            raise UsageError(f"{path} has no trial that is done, so there is nothing to draw; go on with its --resume.")
        alarm = busy_text(cells)
        return lambda: {FIGURE: partial(draw_suite, file, cells, alarm=alarm, with_svg=True)}
    run, summary = run_folder.read(path)

    def analysed() -> Mapping[str, Callable[[Path], None]]:
        from stress.view.figure.run.run_figures import figure_writers  # noqa: PLC0415  # matplotlib comes with it

        return figure_writers(analyse(run, summary.evidence), with_svg=True)

    return analysed
