# SPDX-License-Identifier: MIT
"""Worlds of lost segments: by firewalls at each hook, by limits, by the host's own queue, by options."""

from worlds.queues import drop_syns
from worlds.servers import drain, start_server
from worlds.site import FIRST
from worlds.stale import lay
from worlds.truth import delayed, every, late, on_ports
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


@world("A firewall drops the SYNs of 20 ports before routing.", families=(4,), ways=ALL_WAYS)
def dropped_in_prerouting(site):
    dropped = range(FIRST + 30, FIRST + 50)
    drop_syns(site, dropped, hook="prerouting")
    start_server(site, drain)
    site.storm(on_ports(dropped, "lost_on_the_way"))


@world("A firewall drops every SYN.", ways=(HERE, FIXTURE))
def all_syns_dropped(site):
    site.rules(f"{SYN} drop")
    start_server(site, drain)
    site.storm(every("lost_on_the_way"), attempts=50)


@world("A firewall drops every SYN, and the kernel would send them again for two minutes.", families=(4,), ways=(HOST,))
def all_syns_dropped_for_long(site):
    site.set(tcp_syn_retries=6, tcp_syn_linear_timeouts=4)
    site.rules("tcp flags & (syn|ack) == syn drop")
    site.storm(every("lost_on_the_way"), attempts=50, deadline_s=2, refusable=True)


@world("The client's own OUTPUT chain drops the SYNs of half the ports.", ways=ALL_WAYS)
def dropped_in_output(site):
    dropped = range(FIRST + 50, FIRST + 100)
    drop_syns(site, dropped, hook="output")
    start_server(site, drain)
    site.storm(on_ports(dropped, "dropped_by_host", "lost_on_the_way"))


@world("The client's OUTPUT chain drops the SYNs of 20 ports, and the server's INPUT chain those of 20 others.")
def dropped_in_output_and_input(site):
    ports = range(FIRST, FIRST + 100)
    drop_syns(site, ports[20:40], hook="output")
    drop_syns(site, ports[60:80])
    start_server(site, drain)
    site.storm(on_ports(ports[20:40], "dropped_by_host", "lost_on_the_way"), on_ports(ports[60:80], "lost_on_the_way"))


@world("A firewall lets 20 SYNs pass per second.", ways=(HERE, HOST))
def syns_rationed(site):
    site.rules(f"{SYN} limit rate over 20/second burst 20 packets add @lost {{ tcp sport }} drop", sets=LOST)
    start_server(site, drain)
    site.storm(lambda: on_ports(site.in_set("lost"), "lost_on_the_way"))


@world("A firewall lets 20 connections exist at a time, and all are held.", ways=(HERE, HOST))
def connections_rationed(site):
    site.rules(f"{SYN} ct state new ct count over 20 drop")
    start_server(site, drain)
    site.storm(late("lost_on_the_way"), close="hold")


@world("Source NAT has 20 ports, and all connections are held.", families=(4,), ways=(HERE, HOST))
def snat_exhausted(site):
    site.rules("tcp dport 5000 snat ip to 127.0.0.1:50000-50019", hook="postrouting", kind="nat", priority="100")
    start_server(site, drain)
    site.storm(late("dropped_by_host", "lost_on_the_way"), close="hold")


@world("A balancer drops the first SYN of a port that was used before.", ways=(HERE, HOST))
def first_syn_of_reused_port(site):
    site.rules(
        "tcp dport 5000 tcp flags & (syn|ack) == syn tcp sport @used delete @used { tcp sport } drop",
        "tcp dport 5000 tcp flags & (syn|ack) == syn add @used { tcp sport }",
        sets="set used { type inet_service; flags dynamic,timeout; timeout 60s; size 65535; }",
    )
    start_server(site, drain)
    site.storm(late("lost_on_the_way"), attempts=200)


@world("The client offers ECN, and a firewall drops SYNs that do.", ways=(HERE, HOST))
def ecn_dropped(site):
    site.set(tcp_ecn=1)
    site.rules("tcp dport 5000 tcp flags & (syn|ack|ecn) == syn|ecn drop")
    start_server(site, drain)
    site.storm(late("lost_on_the_way"))


@world("A firewall drops SYNs with timestamps.", families=(4,))
def timestamps_dropped(site):
    site.rules(f"{SYN} tcp option timestamp exists drop")
    start_server(site, drain)
    site.storm(late("lost_on_the_way"), attempts=50)


@world("The queue of lo refuses every packet (tbf).", ways=(HERE, HOST))
def congested(site):
    start_server(site, drain)
    site.call("tc qdisc add dev lo root tbf rate 8bit burst 10 limit 10")
    site.storm(every("dropped_by_host"), attempts=50, refusable=True)


@world("The queue of lo refuses every packet (tbf), and the server leaked to 50 of the ports.")
def congested_and_leaked(site):
    lay(site, {"CLOSE-WAIT": range(FIRST, FIRST + 50)})
    site.call("tc qdisc add dev lo root tbf rate 8bit burst 10 limit 10")
    site.storm(every("dropped_by_host"))


@world(
    "lo is a slow link: connect() waits in its queue, and no SYN is sent again.", ways=(HERE,), fact="time in queues"
)
def slow_link(site):
    start_server(site, drain)
    site.call("tc qdisc add dev lo root tbf rate 160kbit burst 1600 limit 400000")
    site.storm(delayed(), late(), rate_per_s=100, ports="kernel")
