# SPDX-License-Identifier: MIT
"""The timeline of a report's page in a real browser: what it shows of an attempt is what attempts.npy has."""

import csv
import errno
import io
import json
from pathlib import Path

import numpy as np
import pytest
from browser import grave_violations, opened_page
from timeline_storms import CLOSEWAIT, PROOFS, make_storm

from stress.analysis.attribution.cause import CAUSES, NO_PROOF
from stress.analysis.attribution.summary import analyse
from stress.model.attempt import ATTEMPT
from stress.model.outcome import Cause
from stress.store import run_folder
from stress.view.page.attempt_columns import BLOCK
from stress.view.page.cause_marks import CAUSE_MARKS
from stress.view.page.document import Document
from stress.view.page.render import render_page
from stress.view.page.run_storms import run_storms
from stress.view.page.timeline import Arm, build_timeline
from stress.view.text.count_wording import name_in_words

STORED = Path(__file__).parent / "data" / "run-schema-3"
RUN = "20261128T175110Z-closewait-956f6c"


def write_timeline(path, arms, **options):
    part = build_timeline(arms, **options)
    path.write_text(render_page(Document(title="A storm", verdict="500 attempts waited.", interactive=part)))
    return path


@pytest.fixture(scope="module")
def storms():
    """Two acts of one run: the second one later, with errors and names that HTML must not see as its own."""
    first, second = (
        make_storm(4_000, slow_share=0.02),
        make_storm(2_500, seed=2, slow_share=0.01, act="<cured> & \u202ea"),
    )
    second.attempts["start_ns"] += 3_000_000_000
    second.attempts["error"][second.causes == CLOSEWAIT] = errno.ECONNREFUSED
    return first, type(second)(**{**vars(second), "label": "<script>alert(1)</script>", "first": 4_000})


@pytest.fixture(scope="module")
def exact_page(storms, tmp_path_factory):
    arms = [Arm("mined", storms[:1]), Arm("<b>cured</b>", storms[1:])]
    return write_timeline(tmp_path_factory.mktemp("page") / "exact.html", arms)


@pytest.fixture(scope="module")
def coarse_page(storms, tmp_path_factory):
    return write_timeline(tmp_path_factory.mktemp("page") / "coarse.html", [Arm("both", storms)], all_max=0)


class Shown:
    """A page with a timeline in the browser."""

    def __init__(self, page):
        self.page = page
        self.settle()

    def settle(self):
        """Wait until the linked pictures, the table and the address have followed."""
        self.page.wait_for_selector("#timeline-view[aria-busy=false]")

    def press(self, *keys):
        self.page.focus("#timeline-canvas")
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def find(self, storm, number):
        """Zoom to an attempt by the form, and return what is shown of it, by name."""
        if not self.page.locator("#timeline-find button").is_visible():
            self.page.click(".timeline-forms summary")
        if self.page.locator("select[name=storm]").count():
            self.page.select_option("select[name=storm]", str(storm))
        self.page.fill("#timeline-find [name=attempt]", str(number))
        self.page.click("#timeline-find button")
        self.settle()
        return self.record()

    def record(self, part="record"):
        return dict(
            self.page.eval_on_selector_all(
                f"#timeline-{part} > div",
                "rows => rows.map(row => [row.children[0].textContent, row.children[1].textContent])",
            )
        )

    def text(self, part):
        return self.page.locator(f"#timeline-{part}").inner_text()

    def download(self, path):
        with self.page.expect_download() as waiting:
            self.page.click("#timeline-csv")
        waiting.value.save_as(path)
        return list(csv.DictReader(io.StringIO(path.read_text())))

    @property
    def span(self):
        """Return what the address says of the view."""
        parts = self.page.evaluate("Object.fromEntries(new URLSearchParams(location.hash.split('?')[1]))")
        return [float(value) for name in ("t", "latency") for value in parts[name].split("..")]


def digits(text):
    return int("".join(letter for letter in text.partition(" (")[0] if letter.isdigit()))


def assert_record(shown, storm, number):
    """Hold a record that is shown, field by field, against the attempt."""
    attempt = storm.attempts[number]
    assert digits(shown["attempt"].partition(" of ")[0]) == storm.first + number
    names = {"start": "start_ns", "latency": "latency_ns", "close()": "close_ns", "lag": "lag_us", "port": "local_port"}
    names |= {"address": "address", "resends": "retransmits", "worker": "worker"}
    for name, field in names.items():
        assert digits(shown[name].removesuffix(" µs")) == attempt[field], field
    assert digits(shown["errno"].partition(" ")[0].rstrip(",")) == attempt["error"]
    assert shown["phase"] == "storm"
    assert shown["cause"] == name_in_words(CAUSES[storm.causes[number]]).replace("none", "no cause")
    assert shown["proof"] == (PROOFS[storm.proofs[number]] if storm.proofs[number] < len(PROOFS) else "–")
    assert shown["command"] == f"connstorm show {RUN} --attempt {storm.first + number}"


def test_every_cause_has_a_mark_of_its_own():
    assert set(CAUSE_MARKS) == set(Cause)
    assert len(set(CAUSE_MARKS.values())) == len(Cause)


def test_a_small_page_shows_every_record_as_it_is_stored(browser, exact_page, storms):
    with opened_page(browser, exact_page) as page:
        shown = Shown(page)
        assert "all 6,500 attempts" in shown.text("canvas-text")
        assert page.locator("#timeline-canvas").get_attribute("aria-label") == shown.text("canvas-text")
        for number, storm in enumerate(storms):
            for attempt in (0, int(np.flatnonzero(~storm.is_body)[3])):
                assert_record(shown.find(number, storm.first + attempt), storm, attempt)
        assert page.locator("#timeline script, #timeline b").count() == 0  # names are text


def test_a_large_page_shows_marked_attempts_exactly_and_the_body_to_4_percent(browser, coarse_page, storms):
    with opened_page(browser, coarse_page) as page:
        shown = Shown(page)
        for number, storm in enumerate(storms):
            marked = int(np.flatnonzero(~storm.is_body)[-1])
            assert_record(shown.find(number, storm.first + marked), storm, marked)
            body = int(np.flatnonzero(storm.is_body)[777])
            record = shown.find(number, storm.first + body)
            low_ns, high_ns = (digits(part) for part in record["start"].split(" and "))
            assert low_ns <= storm.attempts["start_ns"][body] <= high_ns
            first = body // BLOCK * BLOCK
            assert low_ns == storm.attempts["start_ns"][first]
            assert record["latency"].endswith(" µs, to 4 %")
            assert record["port"] == "is not in the page: ask the run"
            assert record["command"].endswith(f"--attempt {storm.first + body}")
            given = page.evaluate(f"window.connstormTimeline.recordAt({number}, {body}).latency_4_percent_ns")
            assert 1 / 1.04 < given / storm.attempts["latency_ns"][body] < 1.04


@pytest.mark.parametrize("kind", ["exact", "coarse"])
def test_a_selection_downloads_as_it_is(browser, kind, request, storms, tmp_path):
    with opened_page(browser, request.getfixturevalue(f"{kind}_page"), accept_downloads=True) as page:
        shown = Shown(page)
        rows = shown.download(tmp_path / "all.csv")
        assert len(rows) == 6_500
        for storm in storms:
            own = sorted((row for row in rows if row["act"] == storm.act), key=lambda row: int(row["attempt"]))
            assert [int(row["attempt"]) - storm.first for row in own] == list(range(len(storm.attempts)))
            for field in ATTEMPT.names:
                exact = [int(row[field]) for row in own if row[field]]
                wanted = storm.attempts[field] if kind == "exact" else storm.attempts[field][~storm.is_body]
                assert exact == wanted.tolist(), field
            assert [row["body"] == "1" for row in own] == storm.is_body.tolist()
            if kind == "coarse":
                rounded = np.array([int(row["latency_4_percent_ns"]) for row in own if row["latency_4_percent_ns"]])
                ratio = rounded / storm.attempts["latency_ns"][storm.is_body]
                assert np.all((ratio > 1 / 1.04) & (ratio < 1.04))
        shown.press("*")
        low_ns, high_ns = shown.span[2:]
        latency = [
            int(row["latency_ns"] or row["latency_4_percent_ns"]) for row in shown.download(tmp_path / "part.csv")
        ]
        assert low_ns / 1.001 <= min(latency)
        assert max(latency) <= high_ns * 1.001


def test_the_address_brings_the_view_back(browser, exact_page):
    with opened_page(browser, exact_page) as page:
        shown = Shown(page)
        shown.press("+", "+", "*", "n")
        page.uncheck("[data-arm='1']")
        page.check("#timeline-over")
        shown.settle()
        kept = page.evaluate("location.hash"), shown.text("canvas-text"), shown.record()
        assert kept[2]
    with opened_page(browser, exact_page, fragment=kept[0]) as page:
        shown = Shown(page)
        assert (page.evaluate("location.hash"), shown.text("canvas-text"), shown.record()) == kept
        assert not page.is_checked("[data-arm='1']")
        assert page.is_checked("#timeline-over")
        page.evaluate("location.hash = '#timeline?t=0..1000000&arms=0.1&attempt=9.9&ports=x..2&latency=-3..'")
        shown.settle()
        assert shown.span[:2] == [0, 1_000_000]


def test_what_was_shown_whole_is_whole_again_when_an_arm_comes_back(browser, exact_page):
    with opened_page(browser, exact_page) as page:
        shown, text = Shown(page), page.locator("#timeline-canvas-text")
        before = text.inner_text()
        page.uncheck("[data-arm='0']")
        shown.settle()
        assert text.inner_text() != before
        page.check("[data-arm='0']")
        shown.settle()
        assert text.inner_text() == before


def test_keys_zoom_and_pan(browser, exact_page):
    with opened_page(browser, exact_page) as page:
        shown = Shown(page)
        assert page.evaluate("location.hash") == ""  # until the view is changed
        shown.press("0")
        left, right, low, high = shown.span
        shown.press("+")
        inner_left, inner_right, *_ = shown.span
        assert inner_right - inner_left == pytest.approx((right - left) / 2, rel=0.01)
        shown.press("ArrowRight")
        assert shown.span[0] > inner_left
        shown.press("Home")
        assert shown.span[0] == pytest.approx(left, abs=2)
        shown.press("End")
        assert shown.span[1] == pytest.approx(right, abs=2)
        shown.press("-", "*", "ArrowUp")
        assert shown.span[2] > low
        shown.press("0")
        assert shown.span == pytest.approx([left, right, low, high], rel=1e-3)
        shown.press("n")
        first = shown.record()["attempt"]
        shown.press("n", "p")
        assert shown.record()["attempt"] == first
        shown.press("Escape")
        assert shown.record() == {}


def drag(page, part, start, end):
    """Drag between two places of a part, in CSS pixels from its corner."""
    page.locator(part).scroll_into_view_if_needed()
    box = page.locator(part).bounding_box()
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=3)
    page.mouse.up()


def test_the_mouse_zooms_moves_and_shows_records(browser, exact_page, storms):
    with opened_page(browser, exact_page) as page:
        shown = Shown(page)
        shown.press("0")
        whole, box = shown.span, page.locator("#timeline-canvas").bounding_box()
        drag(page, "#timeline-canvas", (300, 60), (500, 180))
        shown.settle()
        zoomed = shown.span
        assert all(inner > outer for inner, outer in zip(zoomed[::2], whole[::2], strict=True))
        assert all(inner < outer for inner, outer in zip(zoomed[1::2], whole[1::2], strict=True))
        page.keyboard.down("Shift")
        drag(page, "#timeline-canvas", (400, 100), (300, 100))
        page.keyboard.up("Shift")
        shown.settle()
        moved = shown.span
        assert moved[0] > zoomed[0]
        assert moved[2:] == pytest.approx(zoomed[2:], rel=1e-3)
        page.mouse.move(box["x"] + 400, box["y"] + 100)
        page.mouse.wheel(0, -300)
        shown.settle()
        assert shown.span[1] - shown.span[0] < moved[1] - moved[0]
        page.mouse.dblclick(box["x"] + 400, box["y"] + 100)
        page.click("#timeline-all")
        page.click("#timeline-after")
        shown.settle()
        record, span = shown.record(), shown.span
        start_ns = digits(record["start"]) - int(storms[0].attempts["start_ns"][0])
        across = (start_ns - span[0]) / (span[1] - span[0])
        up = np.log(digits(record["latency"]) / span[2]) / np.log(span[3] / span[2])
        page.mouse.move(box["x"] + 68 + across * (box["width"] - 82), box["y"] + 24 + 210 * (1 - up))
        assert shown.record("hover") == record


def test_the_linked_pictures_filter_the_timeline(browser, exact_page):
    with opened_page(browser, exact_page) as page:
        shown = Shown(page)
        shown.press("0")
        whole = shown.span
        drag(page, "#timeline-ports", (200, 40), (200, 100))
        shown.settle()
        assert ", ports " in shown.text("canvas-text")
        assert "all 6,500 attempts" not in shown.text("canvas-text")
        page.click("#timeline-all")
        shown.settle()
        width = page.locator("#timeline-ccdf .u-over").bounding_box()["width"]
        drag(page, "#timeline-ccdf .u-over", (0.4 * width, 20), (0.6 * width, 20))
        shown.settle()
        assert whole[2] < shown.span[2] < shown.span[3] < whole[3]


def test_the_table_is_sorted_paged_and_walked(browser, exact_page, storms):
    with opened_page(browser, exact_page) as page:
        shown = Shown(page)
        marked = sum(int(np.count_nonzero(~storm.is_body)) for storm in storms)
        assert f"Rows 1 to 100 of {marked}" in shown.text("records-count")
        page.click("#timeline-records thead button:has-text('latency')")
        cells = page.locator("#timeline-records tbody tr:first-child td")
        fastest = min(int(storm.attempts["latency_ns"][~storm.is_body].min()) for storm in storms)
        assert digits(cells.nth(1).inner_text()) == fastest
        page.click("#timeline-records thead button:has-text('latency')")
        assert digits(cells.nth(1).inner_text()) == max(int(storm.attempts["latency_ns"].max()) for storm in storms)
        page.focus("#timeline-records tbody tr:first-child button")
        for _ in range(100):
            page.keyboard.press("ArrowDown")
        assert "Rows 101 to" in shown.text("records-count")
        number = page.evaluate("document.activeElement.textContent")
        page.keyboard.press("Enter")
        shown.settle()
        assert digits(shown.record()["attempt"].partition(" of ")[0]) == digits(number)
        page.check("#timeline-with-body")
        assert page.locator("#timeline-records tbody tr").count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browser, exact_page, scheme):
    with opened_page(browser, exact_page, scheme=scheme, fragment="#timeline?t=0..4000000&attempt=0.7") as page:
        shown = Shown(page)
        page.click(".timeline-forms summary")
        assert shown.record()["attempt"] == "7 of closewait"
        assert 0 < page.locator("#timeline-records tbody tr").count() < 9  # axe takes seconds for a hundred rows
        assert grave_violations(page) == []


def test_what_has_no_room_for_its_record_is_counted_by_cause(browser, storms, tmp_path):
    path = write_timeline(tmp_path / "counted.html", [Arm("both", storms)], all_max=0, exact_max=40)
    marked = sum(np.count_nonzero(~storm.is_body) for storm in storms)
    refused = sum(np.count_nonzero(storm.causes == CLOSEWAIT) for storm in storms)
    with opened_page(browser, path, accept_downloads=True) as page:
        shown = Shown(page)
        assert f"{marked - 40:,} more with a mark are only counted" in page.locator("#timeline").inner_text()
        assert f"all 6,500 attempts, {marked} of them marked: {refused} closewait" in shown.text("canvas-text")
        assert f"40 exact records of marked attempts in view, of 40 in the page; {marked - 40} more" in shown.text(
            "records-count"
        )
        rows = shown.download(tmp_path / "all.csv")
        assert sum(row["body"] == "0" for row in rows) == marked
        assert sum(row["cause"] == "closewait" for row in rows) == refused


def test_storms_of_a_run_are_its_acts():
    run, summary = run_folder.read(STORED)
    findings = analyse(run, summary.evidence)
    storms = list(run_storms(findings, "latest", "stored"))
    assert [storm.act for storm in storms] == [act.name for act in run.record.acts]
    attempts = np.concatenate([storm.attempts for storm in storms])
    assert np.array_equal(attempts, run.attempts)
    for storm in storms:
        assert np.array_equal(attempts[storm.first : storm.first + len(storm.attempts)], storm.attempts)
        assert set(storm.causes[storm.is_body]) <= {CAUSES.index(Cause.NONE)}
        for proof in np.unique(storm.proofs[storm.proofs < NO_PROOF]):
            (cause,) = set(storm.causes[storm.proofs == proof])
            assert storm.proof_names[proof] in {
                f"{p.rule} ({p.grade})" for p in summary.proofs if p.cause == CAUSES[cause]
            }


def test_commands_of_a_public_page_name_no_run(storms):
    part = build_timeline([Arm("one", storms[:1])], is_public=True)
    (model,) = (block.text for block in part.data if block.name == "timeline-model")
    assert json.loads(model)["storms"][0]["run"] == "RUN"
    assert RUN not in model


@pytest.mark.only_with("CONNSTORM_TEN_MILLION")
def test_ten_million_attempts_open_and_zoom(browser, tmp_path):
    storm = make_storm(10_000_000)
    path = write_timeline(tmp_path / "ten.html", [Arm("all", [storm])])
    assert path.stat().st_size < 5_000_000
    with opened_page(browser, path) as page:
        shown = Shown(page)
        assert "all 10,000,000 attempts" in shown.text("canvas-text")
        marked, body = int(np.flatnonzero(~storm.is_body)[20_000]), int(np.flatnonzero(storm.is_body)[7_654_321])
        assert_record(shown.find(0, marked), storm, marked)
        low_ns, high_ns = (digits(part) for part in shown.find(0, body)["start"].split(" and "))
        assert low_ns <= storm.attempts["start_ns"][body] <= high_ns
        shown.press("0", "ArrowRight", "+")
        assert "about 5," in shown.text("canvas-text")
