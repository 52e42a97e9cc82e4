# SPDX-License-Identifier: MIT
"""Suites of one file, each of a session of its own that shifts all of its trials."""

import numpy as np
from stored import a_document, a_suite

SESSION_SD, TRIAL_SD = 0.15, 0.02  # of logarithms, as on a machine that others share
TRIALS = 7


def drawn(rng, *, factor=1.0, **changes):
    """Return the documents of the trials of a session; ``factor`` makes its times longer."""
    rate, p50, p99 = np.array([40_000 / factor, 11_000 * factor, 18_000 * factor]) * np.exp(
        rng.normal(0, SESSION_SD, 3)
    )
    documents = []
    for _ in range(TRIALS):
        noise = np.exp(rng.normal(0, TRIAL_SD, 3))
        times = {"p50": round(p50 * noise[1]), "p99": round(p99 * noise[2])}
        documents.append(a_document(rate=rate * noise[0], **times, **changes))
    return documents


def a_session(folder, number, rng, *, gates=(), **options):
    """Write the suite of a session, one a day, and return its folder."""
    day = f"2026-11-{number + 1:02d}"
    documents = drawn(rng, started=f"{day}T12:00:00+00:00", **options)
    name = f"{day.replace('-', '')}T120000Z-suite-timed-{number:06x}"
    return a_suite(folder / name, {"clean": documents}, suite_id=f"{number:06x}", gates=gates)
