# SPDX-License-Identifier: MIT
"""The staircase of attempts that have connected, next to random loss."""

import matplotlib.pyplot as plt
import numpy as np
from builders import SECOND, a_run, the_attempts

from stress.analysis.attribution.summary import analyse
from stress.view.figure.run.staircase import connected_by, headline, random_loss, staircase_figure


def findings_of(retransmits):
    """Return the findings of attempts from one moment that connect on their rungs."""
    attempts = the_attempts(*((40000 + place, 0, 0) for place in range(len(retransmits))))
    attempts["retransmits"] = retransmits
    attempts["start_ns"] = 5 * SECOND
    attempts["latency_ns"] = np.array(retransmits) * SECOND + 1000
    return analyse(a_run(attempts))


def test_it_rises_by_those_that_connect_at_each_rung():
    (act,) = findings_of([0] * 20 + [1] * 20 + [2] * 20).acts
    times_s, counts = connected_by(act)
    assert counts.tolist() == list(range(61))
    assert [int((times_s[1:] < second + 0.5).sum()) for second in range(3)] == [20, 40, 60]


def test_random_loss_lets_the_same_share_of_every_syn_through():
    (act,) = findings_of([0] * 50 + [1] * 25 + [2] * 25).acts
    times_s, connected = random_loss(act)
    assert times_s[0] == 0
    assert connected.tolist() == [50, 75, 87.5]
    assert random_loss(findings_of([0] * 5).acts[0]) is None


def test_the_headline_names_a_limit_only_where_the_run_says_so():
    assert headline(findings_of([0] * 5)) == "no SYN sent again"
    assert headline(findings_of([0, 1])) == "1 SYN sent again"


def test_it_is_drawn_with_and_without_loss():
    for retransmits in ([0] * 5, [0] * 20 + [1] * 20):
        figure = staircase_figure(findings_of(retransmits))
        assert len(figure.axes) == 1
        assert figure.axes[0].get_lines()
    plt.close("all")
