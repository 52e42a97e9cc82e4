# SPDX-License-Identifier: MIT
"""Causes across a link: real storms over a router that connstorm knows nothing of, held against what that really did.

By default some; with CONNSTORM_LINK_STORMS=1 all, over IPv4 and IPv6 (``make link-storms``).
"""

import multiprocessing
import os
from dataclasses import dataclass, field

import pytest
from link_storms import LOW_PORTS, LOW_PORTS_BACK, SYN, SYN_ACK, a_plan, double, rule, storm_across

from stress.lab import namespace
from stress.model.errors import LabError
from stress.model.plan import Close, Plan, Serve
from stress.model.world import CLIENT, ROUTER, SERVER, FilterRule, Hook

EVERY = os.environ.get("CONNSTORM_LINK_STORMS") == "1"
AT_ONCE = 6  # they mostly wait for timeouts
FULL = {"serve": Serve.NOBODY, "backlog": 8, "close": Close.HOLD}
LOST = "lost_on_the_way"
ACK, RST = "tcp flags & (fin | syn | rst | ack) == ack tcp sport {port}", "tcp flags & rst == rst tcp dport {port}"
DOUBLED = f"{SYN} th sport 40020-40029"


TRANSLATE = FilterRule(
    name="nat", hook=Hook.POSTROUTING, match="tcp dport 5000", action="masquerade", on=ROUTER, nat=True
)


@dataclass(frozen=True)
class Case:
    """A storm and what may be said of it: the counts of its causes but ``none``, each as many as there are."""

    causes: dict[str, int]
    rules: tuple = ()
    doubled: str = ""
    changes: dict[str, object] = field(default_factory=dict)
    often: bool = False  # not only on demand
    has_company: bool = False
    bounds: dict[str, tuple[int, int]] = field(default_factory=dict)

    def plan(self, family) -> Plan:
        return a_plan(*self.rules, family=family, **self.changes)


def lose(match, **where):
    return (rule("lose", match, **where),)


CASES = {
    "nothing": Case({}, often=True),
    "SYNs lost": Case({LOST: 10}, lose(f"{SYN} {LOW_PORTS}")),
    "SYN-ACKs lost": Case({LOST: 10}, lose(f"{SYN_ACK} {LOW_PORTS_BACK}"), often=True),
    "RSTs lost": Case({}, lose(f"{RST} {LOW_PORTS}")),
    "SYNs doubled": Case({}, doubled=SYN),
    "SYNs lost, others doubled": Case(
        {"unknown": 10}, lose(f"{SYN} {LOW_PORTS}"), doubled=DOUBLED, bounds={LOST: (10, 10)}
    ),
    "dropped by the client's output chain": Case(
        {"dropped_by_host": 10}, lose(f"{SYN} {LOW_PORTS}", on=CLIENT, hook=Hook.OUTPUT)
    ),
    "dropped by the client's input chain": Case(
        {LOST: 10}, lose(f"{SYN_ACK} {LOW_PORTS_BACK}", on=CLIENT, hook=Hook.INPUT)
    ),
    "dropped by the server's input chain": Case(
        {LOST: 10}, lose(f"{SYN} {LOW_PORTS}", on=SERVER, hook=Hook.INPUT)
    ),
    "dropped by the server's output chain": Case(
        {LOST: 10}, lose(f"{SYN_ACK} {LOW_PORTS_BACK}", on=SERVER, hook=Hook.OUTPUT)
    ),
    "accept queue": Case({"accept_queue": 31}, changes=FULL),
    "accept queue, and SYNs lost": Case({"unknown": 31}, lose(f"{SYN} {LOW_PORTS}"), changes=FULL),
    "accept queue, and SYN-ACKs dropped by the server": Case(
        {"unknown": 31}, lose(f"{SYN_ACK} {LOW_PORTS_BACK}", on=SERVER, hook=Hook.OUTPUT), changes=FULL
    ),
    "accept queue, as many SYNs lost as doubled": Case(
        {"unknown": 31}, lose(f"{SYN} {LOW_PORTS}"), doubled=DOUBLED, changes=FULL, often=True
    ),
    "an RST from between": Case(
        {"rejected_by_rst": 10}, (rule("reject", f"{SYN} {LOW_PORTS}", action="reject with tcp reset"),), often=True
    ),
    "an RST of the client's firewall": Case(
        {"rejected_by_rst": 10},
        (rule("reject", f"{SYN} {LOW_PORTS}", on=CLIENT, hook=Hook.OUTPUT, action="reject with tcp reset"),),
    ),
    "an RST of the server's firewall": Case(
        {"rejected_by_rst": 10},
        (rule("reject", f"{SYN} {LOW_PORTS}", on=SERVER, hook=Hook.INPUT, action="reject with tcp reset"),),
        often=True,
    ),
    "mines": Case({"closewait": 15}, changes={"mines": 15}),
    "mines, and SYNs lost": Case({"closewait": 11, LOST: 10}, lose(f"{SYN} {LOW_PORTS}"), changes={"mines": 15}),
    "mines, and challenge ACKs lost": Case(
        {"closewait": 11, "challenge_dropped": 4}, lose(f"{ACK} {LOW_PORTS_BACK}"), changes={"mines": 15}
    ),
    "mines, and RSTs lost": Case(
        {"closewait": 11, "rst_dropped": 4}, lose(f"{RST} {LOW_PORTS}"), changes={"mines": 15}
    ),
    "mines, as many SYNs lost as doubled": Case(
        {"closewait": 30, "unknown": 10}, lose(f"{SYN} {LOW_PORTS}"), doubled=DOUBLED, changes={"mines": 40}
    ),
    "addresses translated": Case({}, (TRANSLATE,)),
    "others connect": Case({}, has_company=True),
    "others connect, and SYNs lost": Case({LOST: 10}, lose(f"{SYN} {LOW_PORTS}"), has_company=True, often=True),
    "others connect, and the accept queue": Case({"accept_queue": 31}, changes=FULL, has_company=True),
    "others connect, and mines": Case({"closewait": 15}, changes={"mines": 15}, has_company=True),
    "others connect, and an RST from between": Case(
        {"rejected_by_rst": 10},
        (rule("reject", f"{SYN} {LOW_PORTS}", action="reject with tcp reset"),),
        has_company=True,
    ),
    "others connect, and an RST of the server's firewall": Case(
        {"unknown": 10},
        (rule("reject", f"{SYN} {LOW_PORTS}", on=SERVER, hook=Hook.INPUT, action="reject with tcp reset"),),
        has_company=True,
    ),
    "closed by FIN": Case({}, changes={"close": Close.FIN}),
}  # fmt: skip
CHOSEN = [
    (name, family)
    for name, case in CASES.items()
    for family in (4, 6)
    if EVERY or (case.often and family == (4 if len(name) % 2 else 6))
]


def storm(name, family):
    """Carry out a case in a namespace of this process; return what is said of it, or why this kernel refuses."""
    case = CASES[name]
    try:
        namespace.enter_namespace()
    except LabError as error:
        return str(error)
    rules = double(case.doubled, family) if case.doubled else ""
    told = storm_across(case.plan(family), rules=rules, has_company=case.has_company)
    bounds = {bound.cause: (bound.at_least, bound.at_most) for bound in told.findings.summary.bounds}
    causes = {cause: count for cause, count in told.causes.items() if cause not in ("none", "stalled")}
    slow = sum("connected without a resend" in hint for hint in told.findings.summary.hints)
    return causes, bounds, [(claim.claim, claim.value, claim.counter, claim.delta) for claim in told.unbalanced], slow


@pytest.fixture(scope="module")
def storms():
    with multiprocessing.get_context("fork").Pool(AT_ONCE, maxtasksperchild=1) as pool:
        return dict(zip(CHOSEN, pool.starmap(storm, CHOSEN, chunksize=1), strict=True))


@pytest.mark.parametrize(("name", "family"), CHOSEN)
def test_a_cause_across_a_link_is_what_happened(storms, name, family):
    said, case = storms[name, family], CASES[name]
    if isinstance(said, str):
        pytest.skip(said)
    causes, bounds, unbalanced, slow = said
    expected = dict(case.causes)
    if slow:  # attempts that waited for a busy machine are unknown, too
        causes["unknown"], expected["unknown"] = causes.get("unknown", 0), expected.get("unknown", 0)
        assert causes.pop("unknown") >= expected.pop("unknown")
    assert causes == expected
    assert case.bounds.items() <= bounds.items()
    if "client's output chain" not in name and "client's firewall" not in name:  # where the books see what is missing
        assert unbalanced == []
