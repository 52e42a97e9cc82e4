# SPDX-License-Identifier: MIT
"""Worlds of lost segments: by firewalls at each hook, by limits, by the host's own queue."""

from worlds.queues import drop_syns
from worlds.servers import drain, start_server
from worlds.site import FIRST
from worlds.truth import every, on_ports
from worlds.world import FIXTURE, HERE, HOST, world

SYN = "tcp dport 5000 tcp flags & (syn|ack) == syn"
SYN_ACK = "tcp sport 5000 tcp flags & (syn|ack) == syn|ack"
LOST = "set lost { type inet_service; flags dynamic; size 65535; }"
ALL_WAYS = (HERE, HOST, FIXTURE)


@world("A firewall drops one SYN in five at random.", ways=ALL_WAYS)
def random_syns_lost(site):
    site.rules(f"{SYN} numgen random mod 5 0 add @lost {{ tcp sport }} drop", sets=LOST)
    start_server(site, drain)
    site.storm(lambda: on_ports(site.in_set("lost"), "lost_on_the_way"))


@world("A firewall drops one SYN-ACK in five at random.", ways=ALL_WAYS)
def random_syn_acks_lost(site):
    site.rules(f"{SYN_ACK} numgen random mod 5 0 add @lost {{ tcp dport }} drop", sets=LOST)
    start_server(site, drain)
    site.storm(lambda: on_ports(site.in_set("lost"), "lost_on_the_way"))


@world("A firewall drops one SYN or SYN-ACK in twenty at random, of 1000 attempts.", families=(4,))
def random_loss_both_ways(site):
    site.ports(1000)
    site.rules(
        f"{SYN} numgen random mod 20 0 add @lost {{ tcp sport }} drop",
        f"{SYN_ACK} numgen random mod 20 0 add @lost {{ tcp dport }} drop",
        sets=LOST,
    )
    start_server(site, drain)
    site.storm(lambda: on_ports(site.in_set("lost"), "lost_on_the_way"), attempts=1000, rate_per_s=2000)


@world("A firewall drops the SYNs of 20 ports.", ways=ALL_WAYS)
def some_ports_dropped(site):
    dropped = range(FIRST + 30, FIRST + 50)
    drop_syns(site, dropped)
    start_server(site, drain)
    site.storm(on_ports(dropped, "lost_on_the_way"))


@world("A firewall drops every SYN.", ways=(HERE, FIXTURE))
def all_syns_dropped(site):
    site.rules(f"{SYN} drop")
    start_server(site, drain)
    site.storm(every("lost_on_the_way"), attempts=50)


@world("The client's own OUTPUT chain drops the SYNs of half the ports.", ways=ALL_WAYS)
def dropped_in_output(site):
    dropped = range(FIRST + 50, FIRST + 100)
    drop_syns(site, dropped, hook="output")
    start_server(site, drain)
    site.storm(on_ports(dropped, "dropped_by_host", "lost_on_the_way"))
