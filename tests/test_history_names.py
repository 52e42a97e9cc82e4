# SPDX-License-Identifier: MIT
"""What all cells of a history set is said once; no two cells are ever called alike."""

from history_builders import a_series
from hypothesis import given
from hypothesis import strategies as st

from stress.analysis.history.change_point import find_change_points
from stress.view.figure.history.history_sheets import history_figures
from stress.view.text.history_names import shared_text, shorten_names
from stress.view.text.history_wording import history_headline

STEP = [9.0] * 20 + [5.0] * 20
LONG = "closewait mines=2 ip_local_port_range=1024 65535"


def tracks(*cells, values=(1.0, 2.0)):
    return [find_change_points(a_series(values, cell=cell), {}) for cell in cells]


def shown(*cells):
    return [track.series.cell for track in shorten_names(tracks(*cells))]


def test_what_all_cells_set_is_said_once():
    assert shown(LONG, f"{LONG} workers=2") == ["closewait", "closewait workers=2"]
    assert shared_text(tracks(LONG, f"{LONG} workers=2")) == "mines=2, ip_local_port_range=1024 65535"
    assert (shown(LONG), shared_text(tracks("clean", LONG)), shared_text([])) == (["closewait"], "", "")


def test_what_cells_set_differently_stays_in_their_names():
    cells = ["closewait mines=2 workers=1", "closewait mines=22 workers=1", "clean mines=2 workers=1"]
    assert shown(*cells) == ["closewait mines=2", "closewait mines=22", "clean mines=2"]


def test_cells_that_would_be_called_alike_keep_their_names():
    cells = ["closewait mines=2 workers=1", "closewait workers=1 mines=2"]
    assert (shown(*cells), shared_text(tracks(*cells))) == (cells, "")


SETTINGS = st.lists(st.sampled_from(("x=1", "x=1 2", "x=2", "y=1", "y=x=1")), max_size=3)


@given(st.lists(st.tuples(st.sampled_from("ab"), SETTINGS), min_size=1, max_size=4))
def test_different_cells_keep_different_names(cells):
    names = [" ".join([scenario, *parts]) for scenario, parts in cells]
    assert len(set(shown(*names))) == len(set(names))


def test_headline_and_figure_say_the_short_name_and_once_what_it_leaves_out():
    changed = tracks(LONG, values=STEP)
    assert " of closewait ×" in history_headline(changed)
    (figure,) = history_figures(changed, "history", [])
    texts = [text.get_text().replace("\N{NO-BREAK SPACE}", " ") for text in figure.texts]
    assert "closewait" in texts
    assert any("in all series: mines=2, ip_local_port_range=1024 65535 ·" in text for text in texts)
