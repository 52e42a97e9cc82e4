# SPDX-License-Identifier: MIT
"""Signals that end a process reach it, whichever thread takes them, and do not disturb what cleans up."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from stress.lab.signals import CANCEL, SHELL_BASE, SIGNALS, DeferredSignals, start_deaf
from stress.model.errors import Terminated
from stress.run.output_lines import OutputLines


@pytest.fixture
def ending():
    """Return signals that are not deferred; what they were before is restored."""
    signals = DeferredSignals()
    signals.release()
    yield signals
    signals.pending = None
    signals.restore_handlers()


def test_a_second_signal_does_not_disturb_what_the_first_one_ends(ending):
    with pytest.raises(Terminated) as first:
        os.kill(os.getpid(), CANCEL)
    os.kill(os.getpid(), signal.SIGTERM)
    assert first.value.code == SHELL_BASE + CANCEL
    assert ending.pending == signal.SIGTERM


def test_a_deaf_thread_takes_no_signal_and_the_main_one_does():
    masks = []
    thread = threading.Thread(target=lambda: masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
    start_deaf(thread)
    thread.join()
    assert masks[0] >= set(SIGNALS)
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(SIGNALS)


def test_who_waits_for_output_learns_of_a_signal_that_another_thread_took(ending):
    """The main thread takes none here; Python handles them there all the same, when that wakes."""
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    lines = OutputLines(sleeper)
    other = threading.Thread(target=lambda: (time.sleep(0.1), os.kill(os.getpid(), CANCEL)))
    other.start()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {CANCEL})
    try:
        with pytest.raises(Terminated):
            next(iter(lines))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        other.join()
        sleeper.communicate(b"\n")
        lines.close()
    assert not ending.pending
