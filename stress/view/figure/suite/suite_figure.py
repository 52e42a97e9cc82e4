# SPDX-License-Identifier: MIT
"""The figure of a suite: all values of a few settings, the cells that changed something of many, a ladder of layers."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from stress.analysis.comparison.axis_points import axes_of
from stress.analysis.comparison.layer_steps import has_layers, layer_steps
from stress.analysis.comparison.suite_changes import cell_changes
from stress.analysis.comparison.suite_comparison import compare_cells
from stress.analysis.metric import find_metric
from stress.analysis.statistics.trials import CellTrials
from stress.view.figure.suite.changes import changes_figure
from stress.view.figure.suite.layer_ladder import layer_ladder_figure
from stress.view.figure.suite.multiples import COLUMNS_MAX, multiples_figure
from stress.view.text.layer_wording import layers_headline
from stress.view.text.metric_wording import PICTURED
from stress.view.text.suite_headline import suite_headline


def suite_figure(cells: Sequence[CellTrials], name: str, caption: Sequence[str], alarm: str = "") -> Figure:
    """Return the figure of a suite, 1920 pixels wide, which a laptop screen shows as a whole.

    Args:
        cells: of one suite.
        name: of the suite.
        caption: phrases for its foot.
        alarm: what makes the numbers doubtful, such as a busy machine; ``""`` if nothing does.
    """
    if has_layers(cells):
        steps = layer_steps(cells)
        return layer_ladder_figure(steps, f"{name}: {layers_headline(steps)}", caption, alarm)
    changes = cell_changes(cells, [find_metric(metric) for metric in PICTURED], compare_cells(cells))
    headline = suite_headline(cells)
    title = f"{name}: {headline[0].lower()}{headline[1:]}"
    if len(axes_of(cells)) > COLUMNS_MAX:
        return changes_figure(changes, title, caption, alarm)
    return multiples_figure(cells, title, caption, alarm)
