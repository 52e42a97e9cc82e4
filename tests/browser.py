# SPDX-License-Identifier: MIT
"""A real browser that opens pages of `connstorm report` from the disk, and what no page may do in it.

Chromium without a window, driven by Playwright; axe-core, which knows what people with a screen reader or without a
mouse cannot use, is run by the debugger, for the policy of a page lets no script in.
"""

import shutil
from contextlib import contextmanager
from importlib import resources

import pytest
from playwright.sync_api import sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
LAPTOP = {"width": 1366, "height": 768}
GRAVE = ("serious", "critical")
PAPER_PX = 718  # of A4 between margins of a centimetre, 96 px to the inch


@contextmanager
def running_browser():
    """Give a browser; skip where there is none."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium is installed (Debian: chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened_page(browser, path, *, fragment="", scheme="light", viewport=None, **options):
    """Give a file as the browser shows it; fail on an error, a warning of the policy, or a request for anything else.

    ``options`` are those of a browser context: ``reduced_motion``, ``accept_downloads``, ….
    """
    address = path.resolve().as_uri() + fragment
    context = browser.new_context(color_scheme=scheme, viewport=viewport or LAPTOP, **options)
    said, asked = [], []
    try:
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        yield page
        assert said == []
        assert {url.partition("#")[0] for url in asked} == {path.resolve().as_uri()}
    finally:
        context.close()


def grave_violations(page):
    """Return what axe-core calls serious or critical: the rule, how to fix it, and the first elements."""
    if not page.evaluate("typeof axe !== 'undefined'"):
        page.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    result = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{rule['id']}: {rule['help']}: {[node['html'][:200] for node in rule['nodes'][:3]]}"
        for rule in result["violations"]
        if rule["impact"] in GRAVE
    ]


def wider_than_paper(page):
    """Return what would be wider than a sheet of A4 on paper, with its width: for that a browser shrinks everything."""
    page.set_viewport_size({"width": PAPER_PX, "height": 1000})
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    sizes = page.evaluate(
        "[document.documentElement, ...document.querySelectorAll('table')].filter(each => each.checkVisibility())"
        ".map(each => [each.id || each.className || each.tagName, each.scrollWidth])"
    )
    assert sizes
    return [(name, width) for name, width in sizes if width > PAPER_PX]
