# SPDX-License-Identifier: MIT
"""The report of one run: which evidence was used, what proves each cause, who listens, and when nobody ran."""

import io
from types import SimpleNamespace

import msgspec
import pytest
from builders import MS, SECOND, a_record, a_run, an_act, the_attempts
from rich.console import Console

from stress.analysis.attribution.summary import analyse
from stress.model.outcome import Cause
from stress.model.plan import EXTERNAL_SCENARIO, EvidenceSource, Plan
from stress.model.record import KernelWord, ListeningReport, TakenPorts
from stress.model.stall import Stall, StallKind
from stress.model.summary import Bound, Claim, Grade, Proof
from stress.view.text.run_report import run_report
from stress.view.text.verdict_lines import verdict_texts

NONE, COUNTS, KERNEL, _ = EvidenceSource
WIDTH = 80


def a_claim(counter="OutRsts", *, balanced=True):
    return Claim(act="storm", claim="RSTs", value=5, counter=counter, delta=5 if balanced else 6, balanced=balanced)


def a_proof(**changes):
    fields = {"act": "storm", "cause": "lost_on_the_way", "rule": "balance", "grade": Grade.COUNTED}
    return Proof(**(fields | {"attempts": 12, "text": "12 SYNs were swallowed."} | changes))


def a_bound(cause, at_least, at_most, *, of=138, act="storm"):
    return Bound(act=act, cause=cause, at_least=at_least, at_most=at_most, of=of)


def a_listener(**changes):
    fields = {"address": "127.0.0.1", "port": 5000, "on_target": True, "drops": 0, "limit": 128, "waiting": 0}
    return ListeningReport(**(fields | {"capped": False, "owner": "server (7)"} | changes))


def a_word(**changes):
    fields = {"lost": 0, "complete": True, "counts": {}, "drop_reasons": {}, "reset_reasons": {}}
    return KernelWord(**(fields | changes))


def lines_of(tmp_path, *, acts=None, plan=None, width=WIDTH, with_books=False, **changes):
    """Return the lines of a report as on a terminal; ``changes`` are of its summary."""
    record = a_record(plan, acts=[an_act(plan)] if acts is None else acts)
    summary = msgspec.structs.replace(analyse(a_run(the_attempts((40000, 0, 0)))).summary, books=[], warnings=[])
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, color_system=None)
    summary = msgspec.structs.replace(summary, **changes)
    console.print(run_report(record, summary, tmp_path / "run", with_books=with_books))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def text_of(tmp_path, **changes):
    """Return a report as one line: words that stood below each other follow each other."""
    return " ".join(" ".join(lines_of(tmp_path, **changes)).split())


def of_evidence(*used, asked=None):
    plans = [Plan(scenario="test", evidence=asked or source) for source in used]
    return [
        an_act(plan, name=f"act {number}", evidence=source)
        for number, (plan, source) in enumerate(zip(plans, used, strict=True))
    ]


@pytest.mark.parametrize(
    ("acts", "words"),
    [
        (of_evidence(COUNTS), "test: proof from counters; no books"),
        (of_evidence(KERNEL), "test: proof from the kernel's word and counters; no books"),
        (of_evidence(NONE), "test: no evidence but the attempts themselves; no books"),
        (of_evidence(COUNTS, KERNEL), "test: proof from counters, and in 1 of 2 acts from the kernel's word; no books"),
        (
            of_evidence(COUNTS, asked=KERNEL),
            "test: proof from counters (the kernel's word was asked for and could not be had); no books",
        ),
    ],
)
def test_the_first_line_says_which_evidence_was_used(acts, words, tmp_path):
    assert text_of(tmp_path, acts=acts).startswith(words)


def test_the_first_line_says_whether_the_books_balance(tmp_path):
    first = lines_of(tmp_path, books=[a_claim(), a_claim("ActiveOpens")])[0]
    assert first == "test: proof from counters; the books balance (2 of 2 claims)"


def test_the_first_line_names_the_counters_that_causes_may_not_rest_on(tmp_path):
    text = text_of(tmp_path, books=[a_claim(balanced=False), a_claim("ActiveOpens"), a_claim(balanced=False)])
    assert "the books do not balance (1 of 3 claims): causes that rest on OutRsts are withdrawn" in text
    many = [a_claim(counter, balanced=False) for counter in ("a", "b", "c", "d", "e")]
    assert "causes that rest on a, b, c and 2 more are withdrawn" in text_of(tmp_path, books=many)


def test_a_cause_stands_with_its_sentence_its_grade_and_its_rule(tmp_path):
    text = text_of(tmp_path, proofs=[a_proof(also=2)])
    assert "lost on the way 12 12 SYNs were swallowed." in text
    assert "counted, by the rule balance; it also delayed 2 attempts after the cause" in text


def test_proofs_of_several_acts_stand_below_the_names_of_the_acts(tmp_path):
    lines = lines_of(tmp_path, proofs=[a_proof(act="first"), a_proof(act="second", cause="closewait")])
    starts = [line.split()[0] for line in lines if line.strip()]
    assert starts.index("first") < starts.index("lost") < starts.index("second") < starts.index("closewait")


def test_a_bound_says_how_many_without_naming_one(tmp_path):
    bounds = [a_bound("accept_queue", 126, 138), a_bound("lost_on_the_way", 0, 12)]
    text = text_of(tmp_path, bounds=bounds)
    assert "of 138 attempts at least 126 accept queue and at most 12 lost on the way; which of them cannot be" in text
    assert "3 to 7 closewait" in text_of(tmp_path, bounds=[a_bound("closewait", 3, 7)])
    assert "of 138 attempts 5 closewait" in text_of(tmp_path, bounds=[a_bound("closewait", 5, 5)])


def test_bounds_of_several_acts_are_apart(tmp_path):
    bounds = [a_bound("closewait", 0, 1, act="first"), a_bound("closewait", 0, 2, act="second")]
    text = text_of(tmp_path, bounds=bounds)
    assert "first: of 138 attempts at most 1 closewait" in text
    assert "second: of 138 attempts at most 2 closewait" in text


def test_errors_are_named_by_number(tmp_path):
    assert "errors 7 ENETUNREACH, 2 ETIMEDOUT" in text_of(tmp_path, errnos={"ETIMEDOUT": 2, "ENETUNREACH": 7})


def test_of_two_listeners_on_one_port_the_stuck_one_is_seen(tmp_path):
    stuck = a_listener(waiting=129, drops=52, owner="stuck (8)")
    lines = lines_of(tmp_path, acts=[an_act(listening=[a_listener(), stuck])])
    assert [line.split()[:4] for line in lines if "127.0.0.1:5000" in line] == [
        ["127.0.0.1:5000", "0/128", "0", "server"],
        ["127.0.0.1:5000", "129/128", "52", "stuck"],
    ]
    assert "its queue is full" in " ".join(lines)


def test_a_limit_that_was_probably_cut_is_told_where_it_matters(tmp_path):
    cut = "its limit equals net.core.somaxconn, so probably cut"
    capped = a_listener(capped=True, drops=1)
    assert cut in text_of(tmp_path, acts=[an_act(listening=[capped])])
    assert "somaxconn" not in text_of(tmp_path, acts=[an_act(listening=[a_listener(capped=True)])])


def test_an_address_in_brackets_is_no_markup(tmp_path):
    listener = a_listener(address="fe80::1", owner="[kworker/0] (2)")
    assert "[fe80::1]:5000 0/128 0 [kworker/0] (2)" in text_of(tmp_path, acts=[an_act(listening=[listener])])


def test_many_listeners_that_dropped_nothing_are_counted(tmp_path):
    listening = [a_listener(port=5000 + number) for number in range(40)] + [a_listener(port=6000, drops=3)]
    text = text_of(tmp_path, acts=[an_act(listening=listening)])
    assert "127.0.0.1:6000 0/128 3" in text
    assert "and 36 more that dropped nothing and have an empty queue" in text


def test_what_others_listen_on_and_hold_is_told(tmp_path):
    act = an_act(
        listening=[a_listener(on_target=False, address="::", port=80, drops=4), a_listener(on_target=False)],
        taken=[TakenPorts(f"4000{number}", "postgres (9)", "LISTEN") for number in range(7)],
        reserved=3,
        source_error="EADDRNOTAVAIL",
        listener_elsewhere=["127.0.0.2:5000"],
    )
    text = text_of(tmp_path, acts=[act])
    assert "nobody listens on 127.0.0.1, port 5000; somebody does on 127.0.0.2:5000" in text
    assert "another listener, [::]:80 (server (7)), dropped 4" in text
    assert "taken by others: 40000, LISTEN, by postgres (9)" in text
    assert "and 2 groups more of ports taken by others" in text
    assert "3 ports of the range reserved (net.ipv4.ip_local_reserved_ports)" in text
    assert "the kernel has no source address for 127.0.0.1: EADDRNOTAVAIL" in text


def test_stalls_are_counted_by_where_the_client_stood(tmp_path):
    stalls = [Stall(0, 2 * SECOND, StallKind.SLEEP, 0), Stall(0, 500 * MS, StallKind.LOOP, 1)]
    text = text_of(tmp_path, acts=[an_act(stalls=stalls, stalls_missed=3)])
    assert "the client did not run 2 times (1 in the loop, 1 in a sleep), longest 2 s, 2.5 s in all; 3 more" in text


def test_the_kernels_word_says_what_it_does_not_cover(tmp_path):
    said = a_word(counts={"drop NETFILTER_DROP": 126, "reset NO_SOCKET": 3}, lost=9, complete=False)
    text = text_of(tmp_path, acts=[an_act(kernel_word=said, evidence=KERNEL)])
    assert "126 drop NETFILTER_DROP, 3 reset NO_SOCKET; 9 events lost, so it proves nothing by its silence" in text
    assert "this kernel does not give every event its 4-tuple" in text
    assert "no packet dropped, no reset sent" in text_of(tmp_path, acts=[an_act(kernel_word=a_word(), evidence=KERNEL)])


def test_what_is_unknown_is_explained(tmp_path):
    assert "12 unknown; run as root." in text_of(tmp_path, hints=["12 unknown; run as root."])


def test_a_report_fits_a_terminal_of_80_columns(tmp_path):
    listener = a_listener(address="2001:db8:1234:5678:9abc:def0:1234:5678", drops=1, capped=True)
    lines = lines_of(
        tmp_path,
        acts=[an_act(listening=[listener])],
        proofs=[a_proof(text="word " * 60)],
        books=[a_claim("ListenOverflows + dropped by the loopback + OutRsts - EmbryonicRsts")],
    )
    assert max(map(len, lines)) <= WIDTH
    assert "2001:db8:1234:5678:9abc:def0:1234:5678" in "".join(lines)


def test_acts_with_the_same_listener_share_its_row(tmp_path):
    acts = [an_act(name=name, listening=[a_listener(), a_listener()]) for name in ("first", "second")]
    rows = [line.split() for line in lines_of(tmp_path, acts=acts) if "127.0.0.1:5000" in line]
    assert rows == [["127.0.0.1:5000", "0/128", "0", "server", "(7)", "every", "act"]] * 2
    acts = [*acts, an_act(name="third", listening=[a_listener(drops=5)])]
    text = text_of(tmp_path, acts=acts)
    assert "127.0.0.1:5000 0/128 0 server (7) first, second" in text
    assert "127.0.0.1:5000 0/128 5 server (7) third" in text


def test_books_of_several_acts_stand_below_the_names_of_the_acts(tmp_path):
    books = [msgspec.structs.replace(a_claim(), act=act) for act in ("first", "second")]
    lines = [line.strip() for line in lines_of(tmp_path, books=books, with_books=True)]
    claim = next(line for line in lines if line.startswith("RSTs"))
    assert [line for line in lines if line in ("first", "second", claim)] == ["first", claim, "second", claim]


def test_books_that_balance_are_one_line_on_a_narrow_terminal(tmp_path):
    books = [a_claim(), a_claim("ActiveOpens")]
    for width, shown in ((80, []), (109, []), (110, ["OutRsts", "ActiveOpens"])):
        text = " ".join(lines_of(tmp_path, books=books, width=width)).split()
        assert [word for word in text if word in ("OutRsts", "ActiveOpens")] == shown
    assert "books: balanced (2 of 2); --books shows all" in lines_of(tmp_path, books=books)
    whole = lines_of(tmp_path, books=books, with_books=True)
    assert [line.split()[2] for line in whole if line.startswith(" RSTs")] == ["OutRsts", "ActiveOpens"]


def test_books_that_do_not_balance_are_shown_on_every_terminal(tmp_path):
    lines = lines_of(tmp_path, books=[a_claim("ActiveOpens"), a_claim(balanced=False)])
    assert "books: not balanced (1 of 2); --books shows all" in lines
    assert [line.split() for line in lines if line.startswith(" RSTs")] == [["RSTs", "5", "OutRsts", "6", "≠", "+1"]]


def test_what_to_run_next_is_told_only_where_something_is_wrong():
    record = SimpleNamespace(plan=Plan(scenario=EXTERNAL_SCENARIO, target_port=8080))
    none = dict.fromkeys(map(str, Cause), 0)

    def told(**causes):
        return [
            text for _, text in verdict_texts(record, SimpleNamespace(verdict="", causes=none | causes, old_sockets=[]))
        ]

    assert told(none=300) == []
    assert [text.split("--")[0] for text in told(none=299, unknown=1)] == ["connstorm inspect "]
    assert told(none=9, unknown=5, closewait=1, accept_queue=3)[1:] == ["connstorm explain --cause accept_queue"]
