# SPDX-License-Identifier: MIT
"""Scenarios of the catalogue as worlds: a small range of ports, in connstorm's own namespace or in ours."""

from worlds.collisions import LIMITED
from worlds.ports import NO_PORT
from worlds.truth import Part, every, is_at_once, late, with_errors
from worlds.world import HOST, PRIVATE, world

RANGE = "--port-range=40000-40199"
SHORT = ("--set=net.ipv4.tcp_syn_retries=1", "--set=net.ipv4.tcp_syn_linear_timeouts=0")
BOTH = (PRIVATE, HOST)


def lab(site, *settings):
    """Return options that set something inside a private namespace; on the host's stack the site has set them."""
    return settings if site.way == PRIVATE else ()


@world("connstorm run clean", ways=BOTH)
def scenario_clean(site):
    site.command("clean", *lab(site, RANGE), "--attempts=100", parts=[every("none", "stalled")])


@world("connstorm run closewait --mines 40", ways=BOTH)
def scenario_closewait(site):
    site.command("closewait", *lab(site, RANGE), "--mines=40", "--attempts=100", parts=[late("closewait")])


@world("connstorm run closewait whose server leaks what the storm connects: new mines on old ones.", ways=(PRIVATE,))
def scenario_closewait_leaks(site):
    given = ("--port-range=40000-40099", "--mines=20", "--serve=leak", "--close=fin", "--attempts=100")
    site.command("closewait", *given, parts=[late("closewait")])


@world("connstorm run accept-queue", families=(4,), ways=(PRIVATE,))
def scenario_accept_queue(site):
    given = ("--attempts=100", "--backlog=16", "--window=100")
    site.command("accept-queue", *given, *SHORT, parts=[late("accept_queue")])


@world("connstorm run fd-exhaustion", families=(4,), ways=(PRIVATE,))
def scenario_fd_exhaustion(site):
    site.command("fd-exhaustion", parts=[late("fd_exhaustion", "accept_queue")])


@world("connstorm run rst-dropped, by nftables", families=(4,), ways=(PRIVATE,))
def scenario_rst_dropped(site):
    given = (RANGE, "--mines=40", "--firewall=nft", *SHORT)
    site.command("rst-dropped", *given, parts=[late("rst_dropped")])


@world("connstorm run rst-dropped, by a filter of the server's sockets", families=(6,), ways=(PRIVATE,))
def scenario_rst_filtered(site):
    given = (RANGE, "--mines=40", "--firewall=bpf", *SHORT)
    site.command("rst-dropped", *given, parts=[late("rst_dropped")])


@world("connstorm run challenge-dropped", families=(4,), ways=(PRIVATE,))
def scenario_challenge_dropped(site):
    given = (RANGE, "--mines=40", "--firewall=nft", *SHORT)
    site.command("challenge-dropped", *given, parts=[late("challenge_dropped", "lost_on_the_way")])


@world("connstorm run challenge-limit with ten challenge ACKs per second", families=(4,), ways=(PRIVATE,))
def scenario_challenge_limit(site):
    answered = Part(("closewait",), lambda run: ~is_at_once(run) & (run.attempts["latency_ns"] < LIMITED))
    given = (RANGE, "--mines=60", "--set=net.ipv4.tcp_challenge_ack_limit=10", *SHORT)
    site.command("challenge-limit", *given, parts=[answered, late("challenge_limited")])


@world("connstorm run port-exhaustion", families=(4,), ways=(PRIVATE,))
def scenario_port_exhaustion(site):
    site.command("port-exhaustion", parts=[with_errors(NO_PORT, "port_exhausted"), late("port_exhausted")])


@world("connstorm run loss, whose listener has 40 leaked sockets", families=(4,), ways=(PRIVATE,))
def scenario_loss_and_mines(site):
    given = (RANGE, "--mines=40", "--attempts=100", "--rate=1000")
    site.command("loss", *given, parts=[late("lost_on_the_way", "closewait")])


@world("connstorm run syn-rate-limit", families=(4,), ways=(PRIVATE,))
def scenario_syn_rate_limit(site):
    site.command("syn-rate-limit", RANGE, parts=[late("lost_on_the_way")])


@world("connstorm run egress-drop", families=(6,), ways=(PRIVATE,))
def scenario_egress_drop(site):
    site.command("egress-drop", RANGE, "--rate=1000", parts=[late("dropped_by_host")])


@world("connstorm run policy", families=(6,), ways=(PRIVATE,))
def scenario_policy(site):
    site.command("policy", RANGE, "--rate=1000", parts=[late("lost_on_the_way")])
