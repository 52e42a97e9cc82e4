# SPDX-License-Identifier: MIT
"""The page of `connstorm report`: what is inside it, and that it is one file that asks nobody."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from browser import grave_violations, opened_page, wider_than_paper
from command import assert_one_sentence, connstorm
from house import PACKAGE

from stress import api
from stress.compare.report import ReportQuestion, write_report
from stress.view.page.document import Document, Ladder, PageCell, PageColumn, PageTable
from stress.view.page.inlined import DataBlock, content_policy, inline_text
from stress.view.page.render import render_page

VENDOR = PACKAGE / "view" / "page" / "vendor"
RUN = Path(__file__).parent / "data" / "run-schema-3"


@pytest.fixture(scope="module")
def run_page(tmp_path_factory):
    return write_report(ReportQuestion(arguments=[str(RUN)]), tmp_path_factory.mktemp("page") / "run.html")


def test_vendored_files_are_those_of_the_package():
    text = (VENDOR / "README.md").read_text()
    hashes = dict(re.findall(r"^\| (\S+) \| ([0-9a-f]{128}) \|$", text, re.MULTILINE))
    assert set(hashes) == {path.name for path in VENDOR.iterdir()} - {"README.md"}
    assert {name: hashlib.sha512((VENDOR / name).read_bytes()).hexdigest() for name in hashes} == hashes


def test_the_policy_allows_what_is_inlined_and_nothing_else():
    part = inline_text("let x = 1;\n")
    policy = content_policy([part], [])
    assert f"'sha256-{base64.b64encode(hashlib.sha256(part.text.encode()).digest()).decode()}'" in policy
    assert "style-src 'none'" in policy
    assert "unsafe" not in policy
    for text in ("a\r\n", "\0", "'</SCRIPT>'", "<!-- x"):
        with pytest.raises(ValueError, match="would not arrive"):
            inline_text(text)
    for name, kind, text in (("a", "application/json", "</script>"), ("b", "text/javascript", "1")):
        with pytest.raises(ValueError, match="end its element"):
            DataBlock(name, kind, text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_run_opens_without_an_error_or_a_request(browser, run_page, scheme):
    with opened_page(browser, run_page, scheme=scheme) as page:
        assert page.locator("#verdict .sentence").inner_text()
        assert grave_violations(page) == []


@pytest.mark.parametrize(("motion", "scrolls"), [("reduce", "auto"), ("no-preference", "smooth")])
def test_nothing_moves_where_nobody_wants_it(browser, run_page, motion, scrolls):
    with opened_page(browser, run_page, reduced_motion=motion) as page:
        assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == scrolls
        assert page.evaluate("document.getAnimations().length") == 0


def test_a_run_is_as_wide_as_the_paper(browser, run_page):
    with opened_page(browser, run_page) as page:
        page.locator("#timeline-records tbody tr").first.wait_for(state="attached")
        assert wider_than_paper(page) == []


def test_long_names_and_packets_between_many_hosts_are_as_wide_as_the_paper(browser, tmp_path):
    names = ("closewait net.ipv4.ip_local_reserved_ports=32768-46000,50000-51000", "cause accept queue per million")
    cells = [*map(PageCell, names), *(PageCell("123,456", "123,000–124,000") for _ in range(6)), PageCell("2 unknown")]
    heads = ("cell", "metric", *("retries per million",) * 6, "causes")
    columns = tuple(PageColumn(head, is_number=1 < place < 8) for place, head in enumerate(heads))
    table = PageTable("long", "long names", columns, (tuple(cells),), is_sortable=True)
    hosts = ("client", "client2", "router", "server")
    way = ("│", "── SYN, ACK ─▶", "│", "── SYN, ACK ─▶", "│", "── SYN, ACK ─▶", "│")
    ladder = Ladder("packets", hosts, (("1.02 s", way, "dropped by the router's rule of the name 'no-answers'"),) * 3)
    (tmp_path / "x.html").write_text(
        render_page(Document("long", "Long.", tables=(table,), ladders=(ladder,))), "utf-8"
    )
    with opened_page(browser, tmp_path / "x.html") as page:
        assert wider_than_paper(page) == []


def test_the_api_writes_the_same_page(run_page, tmp_path):
    assert api.report(RUN, output=tmp_path / "x.html").read_bytes() == run_page.read_bytes()
    assert b"127.0.0.1" not in api.report(RUN, output=tmp_path / "y.html", public=True).read_bytes()
    with pytest.raises(api.UsageError, match="needs a run"):
        api.report()


def test_what_is_no_run_is_refused_in_a_sentence_and_leaves_nothing(tmp_path):
    refused = connstorm("report", str(tmp_path / "none"), "-o", str(tmp_path / "x.html"))
    assert_one_sentence(refused, "none")
    unwritable = connstorm("report", str(RUN), "-o", str(tmp_path / "no" / "x.html"))
    assert_one_sentence(unwritable, "x.html", "choose another file")
    assert list(tmp_path.iterdir()) == []
