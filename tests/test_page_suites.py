# SPDX-License-Identifier: MIT
"""Pages of the two largest suites that come with the program: many cells, and many kernels.

Their trials are copies of one small run, for what is looked at is the page. ``make suite-pages`` runs the suites
themselves, an hour, and looks at their pages in the same way.
"""

import json
import os
import shlex
from pathlib import Path

import msgspec
import pytest
from browser import grave_violations, opened_page, wider_than_paper
from fake_executor import FakeExecutor, FakeHandle

from stress.compare.report import ReportQuestion, write_report
from stress.lab import sysctl
from stress.model.kernel import HOST
from stress.run.fingerprint import take_fingerprint
from stress.store import run_folder, suite_folder
from stress.suite import runner
from stress.suite.config import load
from stress.suite.shipped import find_suite_file

NAMES = ("sysctls", "kernels")
MEASURED = "CONNSTORM_SUITE_PAGES"  # a folder that has results of these suites
RELEASES = {"deb:bullseye": "5.10.0", "deb:bookworm": "6.1.0", "deb:trixie": "6.12.0", "deb:sid": "7.2.0"}
FIELDS = {
    "start": "start_ns",
    "latency": "latency_ns",
    "close()": "close_ns",
    "port": "local_port",
    "resends": "retransmits",
    "worker": "worker",
}


class KernelHandle(FakeHandle):
    """A trial whose run says which kernel it was on."""

    def fetch(self, notify):
        ended = super().fetch(notify)
        if self.job.kernel != HOST:
            file = ended.path / "run.json"
            document = json.loads(file.read_text())
            document["host"] |= {"kernel": RELEASES[self.job.kernel], "emulated": True}
            file.write_text(json.dumps(document))
        return ended


class KernelExecutor(FakeExecutor):
    """A fake executor that boots kernels, too."""

    def fingerprint_kernel(self, name, notify):
        notify(name)
        here = take_fingerprint(sysctl.list_names(), sysctl.list_names())
        host = msgspec.structs.replace(here.host, kernel=RELEASES[name], emulated=True)
        return msgspec.structs.replace(here, host=host)

    def submit(self, job, host):
        made = super().submit(job, host)
        return KernelHandle(job, made.failure, made.released)


def copied_results(name, results):
    """Return a folder of the suite of that name, one trial each, all of them copies of one run."""
    suite = load.read(find_suite_file(Path(name)))
    suite = msgspec.structs.replace(suite, trials=1, warmup=0)
    return runner.run(suite, results, KernelExecutor())


@pytest.fixture(scope="module", params=NAMES)
def suite(request, tmp_path_factory):
    """Return the folder of a suite, and its page."""
    home = tmp_path_factory.mktemp("suite")
    if measured := os.environ.get(MEASURED):
        folder = suite_folder.find_latest(Path(measured), request.param)
    else:
        folder = copied_results(request.param, home)
    return folder, write_report(ReportQuestion(arguments=[str(folder)]), home / "page.html")


def eventually(page, condition):
    """Return whether something comes true in the browser within five seconds; a page's policy forbids to wait there."""
    for _ in range(100):
        if condition():
            return True
        page.wait_for_timeout(50)
    return False


def test_it_opens_without_an_error_or_a_request_and_fits_a_telephone_and_paper(browser, suite):
    folder, path = suite
    with opened_page(browser, path, scheme="dark" if "kernels" in folder.name else "light") as page:
        assert grave_violations(page) == []
        page.set_viewport_size({"width": 400, "height": 800})
        assert eventually(page, lambda: page.evaluate("document.documentElement.scrollWidth") <= 400)
        assert eventually(page, lambda: wider_than_paper(page) == [])


def test_it_shows_every_cell_and_sorts_and_filters_them(browser, suite):
    folder, path = suite
    cells = suite_folder.read(folder).cells
    with opened_page(browser, path) as page:
        rows = page.locator("#table table[data-sortable] tbody tr:visible")
        assert rows.count() == len(cells) >= 50
        setting = next(cell.name for cell in cells if not cell.baseline).split()[-1]
        page.get_by_role("searchbox").first.fill(setting)
        assert 1 < rows.count() == sum(setting in cell.name for cell in cells) < len(cells)
        page.get_by_role("searchbox").first.fill("")
        name = page.get_by_role("columnheader", name="scenario")
        name.get_by_role("button").focus()
        for order in ("ascending", "descending"):
            page.keyboard.press("Enter")
            assert name.get_attribute("aria-sort") == order
        last = max(cell.scenario.partition(",")[0].lower() for cell in cells)
        assert rows.first.inner_text().lower().startswith(last)


def test_its_arms_are_switched_by_mouse_and_by_keyboard(browser, suite):
    with opened_page(browser, suite[1]) as page:
        arms = page.locator("#timeline fieldset input[type=checkbox]:not([id])")
        text = page.locator("#timeline-canvas-text")
        assert arms.count() == 12  # of the others the page says how to see them
        whole = text.inner_text()
        arms.first.click()
        assert eventually(page, lambda: text.inner_text() != whole)
        arms.first.focus()
        page.keyboard.press("Space")
        assert eventually(page, lambda: text.inner_text() == whole)


def test_an_attempt_that_is_no_body_is_shown_as_it_is_stored(browser, suite):
    folder, path = suite
    with opened_page(browser, path) as page:
        page.click("#timeline-after")
        page.wait_for_selector("#timeline-view[aria-busy=false]")
        record = dict(
            page.eval_on_selector_all(
                "#timeline-record > div", "rows => rows.map(row => [...row.children].map(part => part.textContent))"
            )
        )
    command = shlex.split(record["command"])  # connstorm show RUN --attempt N
    run, _ = run_folder.read(folder / Path(command[2]) if (folder / command[2]).exists() else Path(command[2]))
    attempt = run.attempts[int(command[-1])]
    for name, field in FIELDS.items():
        shown = int("".join(filter(str.isdigit, record[name].partition(" (")[0])))
        assert shown == attempt[field], name
    assert attempt["retransmits"]
