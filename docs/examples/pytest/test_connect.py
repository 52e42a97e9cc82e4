# SPDX-License-Identifier: MIT
"""What it costs to connect to the server, as benchmarks of one's own test suite."""

import pytest
from conftest import Server

from stress.pytest_plugin import Storm


@pytest.mark.parametrize("metric", ["body.p50", "body.p99"])
def test_connect(storm: Storm, server: Server, metric: str) -> None:
    """The two metrics of one server are of the same storms, which are made once."""
    storms = storm(server.address, metric=metric, trials=3, attempts=200)
    assert storms.total("errors") == 0
    assert storms.total("collisions") == 0  # the server has closed what its clients have closed


def test_connect_and_close_by_fin(storm: Storm, server: Server) -> None:
    """Any field of a plan that concerns a client can be given."""
    storms = storm(server.address, metric="body.p50", trials=3, attempts=200, close="fin")
    assert storms.total("outcome.connected") + storms.total("outcome.retried") == 600
