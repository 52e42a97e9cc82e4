# SPDX-License-Identifier: MIT
"""The kernel's own word on listeners while they are watched: of real mines for root, and why not for others."""

import os
import socket

from test_kernel_word import attempt, lay_mine, opened, server
from test_namespace_state import NOBODY, needs_root, of_child

from stress.lab import namespace
from stress.lab.namespace_state import take_state
from stress.model.inspection import Unseen
from stress.run.watched_kernel import WHAT, WatchedKernel


def watch_mines():
    """Meet two mines at one of two listeners while they are watched; return what was counted, twice, and not seen."""
    namespace.enter_namespace(as_oneself=True)
    with socket.create_server(("127.0.0.1", 5001)), server(4) as listening:
        mines = [lay_mine(4, listening, port) for port in (40001, 40002, 40003)]
        attempt(4, 40001)  # before
        with WatchedKernel() as kernel:
            errors = [attempt(4, port) for port in (40002, 40003)]
            counts = [kernel.count(take_state(with_rules=False)) for _ in range(2)]
        assert len(mines) == 3
    return errors, counts, kernel.unseen


@needs_root
def test_root_is_told_why_the_kernel_dropped_packets_of_a_listener():
    opened().close()  # or a skip
    errors, counts, unseen = of_child(0, watch_mines)
    expected = {"drop TCP_INVALID_SYN": 2, "reset TCP_INVALID_ACK_SEQUENCE": 2, "drop TCP_INVALID_ACK_SEQUENCE": 2}
    assert errors == [0, 0]
    assert counts == [{"127.0.0.1:5000": expected}] * 2
    assert unseen == []


def test_others_are_told_that_it_needs_root():
    uid = NOBODY if os.geteuid() == 0 else os.geteuid()
    _, counts, unseen = of_child(uid, watch_nothing)
    assert counts == {}
    assert unseen == [Unseen(WHAT, unseen[0].why, "Run it as root of the host.")]
    assert "CAP_BPF" in unseen[0].why


def watch_nothing():
    with WatchedKernel() as kernel:
        return 0, kernel.count(take_state(with_rules=False)), kernel.unseen
