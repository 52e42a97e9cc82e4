# SPDX-License-Identifier: MIT
"""The timeline of a report's page, of real storms: how large it is, and how long a browser takes to draw it."""

import shutil
import statistics
import time

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from stress._fastconnect import now_ns, storm
from stress.analysis.attribution.cause import CAUSES
from stress.lab.listener import Listener
from stress.model.attempt import allocate_attempts
from stress.model.outcome import Cause
from stress.view.page.attempt_columns import TimelineStorm
from stress.view.page.document import Document
from stress.view.page.render import render_page
from stress.view.page.timeline import Arm, build_timeline

PORT = 5000
SIZES = (100_000, 1_000_000, 10_000_000)
KEYS = 20  # redraws of one zoom
SPANS = (1, 16, 256)
COLUMNS = (
    "attempts",
    "page",
    "packed in",
    "opened in",
    *(f"redrawn, 1/{span}" if span > 1 else "redrawn" for span in SPANS),
)
SLOW_NS = 1_000_000


def storm_of(count):
    """Return a real storm; whatever took longer than a millisecond has a mark."""
    records = allocate_attempts(count)
    with Listener("127.0.0.1", PORT) as server:
        server.start()
        recorded, _ = storm(records, target="127.0.0.1", target_port=PORT, attempts=count, epoch_ns=now_ns())
    assert recorded == count
    is_body = (records["error"] == 0) & (records["latency_ns"] < SLOW_NS)
    causes = np.where(is_body, CAUSES.index(Cause.NONE), CAUSES.index(Cause.UNKNOWN)).astype(np.uint8)
    return TimelineStorm("clean", "clean", "storm", records, is_body, causes, np.full(count, 255, np.uint8))


def redraws_ms(page, keys):
    """Press keys, and return how long each redraw took."""
    page.evaluate("performance.clearMeasures()")
    page.focus("#timeline-canvas")
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_selector("#timeline-view[aria-busy=false]")
    return page.evaluate("performance.getEntriesByName('timeline-redraw').map((entry) => entry.duration)")


@pytest.mark.parametrize("attempts", SIZES)
def test_page(benchmark, table, tmp_path, attempts):
    made = storm_of(attempts)
    begun_s = time.monotonic()
    document = Document(title="storm", verdict="storm", interactive=build_timeline([Arm("clean", [made])]))
    packed_s = time.monotonic() - begun_s
    path = tmp_path / "page.html"
    path.write_text(render_page(document))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        opened_ms = []

        def open_page():
            page.goto(path.as_uri())
            page.wait_for_selector("#timeline-view[aria-busy=false]", timeout=60_000)
            opened_ms.append(page.evaluate("performance.getEntriesByName('timeline-redraw')[0].startTime"))

        benchmark.pedantic(open_page, rounds=3)
        medians = []
        for span in SPANS:
            if span > 1:
                redraws_ms(page, ["+"] * 4)
            medians.append(statistics.median(redraws_ms(page, ["ArrowRight", "ArrowLeft"] * (KEYS // 2))))
        browser.close()
    table.add(
        "The timeline of a page, in Chromium",
        COLUMNS,
        f"{attempts:,}",
        f"{path.stat().st_size / 1e6:.2f} MB",
        f"{packed_s:.1f} s",
        f"{statistics.median(opened_ms):.0f} ms",
        *(f"{median:.0f} ms" for median in medians),
    )
