# SPDX-License-Identifier: MIT
"""Every scenario of the catalogue that runs across a link: books of both ends, causes, and nothing left behind.

By default one of them; all with CONNSTORM_LINKS=all (``make links``), a line for each in the file that
CONNSTORM_LINKS_TABLE names. CONNSTORM_LINKS_BY is root, user or tls: ssh as root of the host, as root of a user
namespace, or TLS.
"""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from command import UNDRAWN, program
from private_network import ROOT
from scenario_runs import RUNS
from test_scenarios import expected_causes
from two_hosts import two_hosts

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.outcome import OUTCOMES
from stress.analysis.attribution.summary import analyse
from stress.lab import firewall
from stress.lab.own_route import PROTOCOL
from stress.model.outcome import Cause, Outcome
from stress.model.world import CLIENT, SERVER
from stress.store import run_folder
from stress.storm.catalogue import SCENARIOS
from stress.storm.peer.end_settings import settings_of
from stress.storm.peer.link_plan import NOT_ACROSS, across_link

pytestmark = pytest.mark.timeout(1200)

ALL = os.environ.get("CONNSTORM_LINKS") == "all"
TABLE = os.environ.get("CONNSTORM_LINKS_TABLE")
BY = os.environ.get("CONNSTORM_LINKS_BY", "root")
OF_IPV4 = {name: arguments for name, arguments in RUNS.items() if arguments[0] not in NOT_ACROSS}
ACROSS = OF_IPV4 | {  # all by IPv6 too
    f"{name} 6": [*arguments, "--family", "6"]
    for name, arguments in OF_IPV4.items()
    if "6" not in arguments and f"{name} 6" not in RUNS and not name.endswith("4")
}
CHOSEN = ACROSS if ALL else ["rst-dropped nft 6"]
SETTINGS = sorted(
    {
        name
        for scenario in SCENARIOS.values()
        if scenario.plan.scenario not in NOT_ACROSS
        for act in across_link(scenario.plan).storms().values()
        for host in (CLIENT, SERVER)
        for name in settings_of(act, host)
    }
)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    if not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")
    with two_hosts(tmp_path_factory.mktemp("links"), as_root=ROOT and BY != "user") as made:
        limits = made.server.home / ".config" / "connstorm" / "serve.toml"
        limits.parent.mkdir(parents=True)
        limits.write_text("max_seconds = 600\nchange = true\n")
        made.serve_ssh()
        yield made


def state(host):
    """Return all that a storm may change on a host."""
    settings = host.run("sysctl", "--ignore", *SETTINGS).stdout
    rules = host.run(firewall.find_nft(), "list", "ruleset").stdout
    routes = [host.ip(f"-{family}", "route", "show", "table", "all", "proto", PROTOCOL) for family in (4, 6)]
    return settings, rules, routes, sorted(path.name for path in host.state.iterdir())


def across(hosts, name):
    """Run a scenario across the link; return the command's result and the folder of the run."""
    family = 6 if "6" in ACROSS[name] else 4
    folder = hosts.client.results / name.replace(" ", "-")
    addresses = ["--source", hosts.client.storm[family], "--listen", hosts.server.storm[family]]
    arguments = [*ACROSS[name], *reach(hosts, family), "--set-host", *addresses, "--output", folder]
    return hosts.client.run(*program("run", *arguments, UNDRAWN)), folder


def reach(hosts, family):
    """Return the options with which the client reaches the other host."""
    if BY != "tls":
        return ["--peer", hosts.peer(family), *hosts.remote]
    sources = (hosts.client.control[family], hosts.client.storm[family])
    options = [option for source in sources for option in ("--from", source)]
    serving = hosts.server.start(*program("serve", *options, "--set-host"))
    while "--join" not in (line := serving.stdout.readline().decode()):
        assert line, serving.stderr.read()
    words = line.split()
    return [word for option in ("--peer", "--join") for word in (option, words[words.index(option) + 1])]


def causes_of(findings):
    """Return how many slow or failed attempts have which cause."""
    late = findings.outcomes != OUTCOMES.index(Outcome.CONNECTED)
    if len(findings.run.uses):
        late |= findings.run.uses["error"] != 0
    return {CAUSES[code]: count for code, count in enumerate(np.bincount(findings.causes[late]).tolist()) if count}


def write_line(*cells):
    """Add a line to the table, if there shall be one."""
    if TABLE:
        with Path(TABLE).open("a") as table:
            table.write(f"| {' | '.join(map(str, cells))} |\n")


@pytest.mark.parametrize("name", CHOSEN)
def test_a_scenario_across_a_link_balances_the_books_of_both_ends_and_names_its_causes(hosts, name):
    before = [state(host) for host in (hosts.client, hosts.server)]
    begun_s = time.monotonic()
    ended, folder = across(hosts, name)
    taken = f"{time.monotonic() - begun_s:.1f} s"
    if ended.returncode:
        write_line(name, taken, f"exit {ended.returncode}", ended.stderr.strip().replace("\n", " ")[-300:])
    assert ended.returncode == 0, ended.stderr
    (path,) = folder.iterdir()
    run, summary = run_folder.read(path)
    findings = analyse(run)
    causes = causes_of(findings)
    causes.pop(Cause.STALLED, None)
    wrong = [f"{claim.act}: {claim.claim} {claim.value}, {claim.counter} {claim.delta}" for claim in summary.books
             if not claim.balanced]  # fmt: skip
    expected = expected_causes(name if name in RUNS else name.removesuffix(" 6"))
    others = {cause: count for cause, count in causes.items() if cause not in expected}
    told = ", ".join(f"{cause} {count}" for cause, count in causes.items())
    write_line(name, taken, f"{len(summary.books) - len(wrong)} of {len(summary.books)}", told or "-", *wrong)
    shutil.rmtree(folder)
    assert summary.books
    assert wrong == []
    assert {cause: count for cause, count in others.items() if cause != Cause.UNKNOWN} == {}
    assert sum(others.values()) <= 0.01 * sum(causes.values())
    assert bool(causes) == bool(expected)
    assert [state(host) for host in (hosts.client, hosts.server)] == before
    assert hosts.is_quiet()
