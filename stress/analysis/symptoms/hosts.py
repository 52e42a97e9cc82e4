# SPDX-License-Identifier: MIT
"""Explanations: the client's own host did not send, or did not run."""

from stress.analysis.symptoms.commands import RULES, counters
from stress.analysis.symptoms.seen import LADDER, LATE_UNREACHABLE, RUNGS, SLOW, TIMEOUT, UNREACHABLE, placed
from stress.model.outcome import Cause
from stress.model.symptom import Command, Explanation, Place, Side, Sight

AT_ONCE = placed(Place.AT_ONCE)

EXPLANATIONS = (
    Explanation(
        "egress-drop",
        "the client's own host drops",
        (Side.CLIENT, "TCPRetransFail rises"),
        "the output chain, a cgroup or the queue of the client's host drops the SYN; connect() does not say so",
        "TCPRetransFail = resends of these attempts; it moves for nothing else here",
        (
            Sight(
                TIMEOUT, "connect() ignores that its SYN was refused; no EPERM", "10 resends of 10 attempts, Linux 6.18"
            ),
            Sight(
                LADDER,
                "only some are dropped; where its queue is full it tries again after half a second",
                places=RUNGS | {Place.BETWEEN},
            ),
        ),
        (
            counters(Side.CLIENT, "TcpExtTCPRetransFail", "TcpExtTCPSynRetrans"),
            Command(Side.CLIENT, RULES, "chains of hook output, and their counters", is_for_root=True),
            Command(Side.CLIENT, "tc -s qdisc show", "dropped"),
        ),
        (Cause.DROPPED_BY_HOST,),
        ("egress-drop",),
    ),
    Explanation(
        "neighbour",
        "nobody answers ARP",
        (Side.CLIENT, "TCPSpuriousRtxHostQueues rises, a neighbour is FAILED"),
        "the next hop has no link-layer address: the SYN waits in the neighbour table and never leaves",
        "TCPTimeouts > 0, TCPSynRetrans = 0 and TCPSpuriousRtxHostQueues = TCPTimeouts; the neighbour is FAILED or "
        "INCOMPLETE",
        (
            Sight(
                LATE_UNREACHABLE,
                "three requests of a second each (mcast_solicit); it fails for all at one moment, so that later "
                "attempts wait less",
                "3.05–3.08 s, Linux 6.18",
                places=placed(Place.NEIGHBOUR, Place.BETWEEN),
            ),
            Sight(TIMEOUT, "the ladder ends before that, as with tcp_syn_retries=1", "3.0 s, Linux 6.18"),
        ),
        (
            Command(Side.CLIENT, "ip -s neigh show", "FAILED or INCOMPLETE"),
            counters(
                Side.CLIENT,
                *("TcpExtTCPTimeouts", "TcpExtTCPSynRetrans", "TcpExtTCPSpuriousRtxHostQueues"),
                look="the second does not rise",
            ),
        ),
        (Cause.NO_NEIGHBOUR,),
        ("neighbour",),
    ),
    Explanation(
        "ipsec-waits",
        "an IPsec policy without a key",
        (Side.CLIENT, "TCPSpuriousRtxHostQueues rises, no neighbour is FAILED"),
        "a policy wants the connection protected, and no key has been agreed: the SYN waits in the host",
        "with net.core.xfrm_larval_drop=0 as where nobody answers ARP, but no neighbour is FAILED; with 1 the SYN is "
        "dropped, and sent again",
        (Sight(TIMEOUT, figure="3.0 s with tcp_syn_retries=1, Linux 6.18"),),
        (
            Command(Side.CLIENT, "ip xfrm policy; ip xfrm state", "a policy with tmpl, and no state", is_for_root=True),
            counters(Side.CLIENT, "TcpExtTCPTimeouts", "TcpExtTCPSynRetrans", "TcpExtTCPSpuriousRtxHostQueues"),
        ),
    ),
    Explanation(
        "local-route",
        "a route or policy of the client's host",
        (Side.CLIENT, "ActiveOpens does not rise"),
        "the host knows before any SYN that it will not send one: no route, a route of another kind, an IPsec policy "
        "or a cgroup program",
        "ActiveOpens counts no SYN of these attempts",
        (
            Sight(UNREACHABLE, "a route or rule of kind unreachable", errnos=("EHOSTUNREACH",), places=AT_ONCE),
            Sight(
                UNREACHABLE,
                "no route, a route of kind throw, or a link that is down",
                errnos=("ENETUNREACH",),
                places=AT_ONCE,
            ),
            Sight(UNREACHABLE, "a route or rule of kind prohibit", errnos=("EACCES",), places=AT_ONCE),
            Sight(UNREACHABLE, "a route or rule of kind blackhole", errnos=("EINVAL",), places=AT_ONCE),
            Sight(UNREACHABLE, "an IPsec policy that blocks, or a cgroup program", errnos=("EPERM",), places=AT_ONCE),
        ),
        (
            Command(Side.CLIENT, "ip route get SERVER; ip rule show", "the route that is used, and its kind"),
            Command(Side.CLIENT, "cat /proc/net/xfrm_stat", "XfrmOutPolBlock"),
            counters(Side.CLIENT, "TcpActiveOpens", "IpOutNoRoutes"),
        ),
        (Cause.REFUSED_BY_HOST,),
        ("rejected",),
    ),
    Explanation(
        "stalled",
        "the client itself did not run",
        (Side.CLIENT, "the thread waits for a CPU, or the machine is paused"),
        "the process waited for a CPU, or its whole machine stood still",
        "no SYN was sent again; the thread waited for a CPU, or the machine stood still, as long as connect() took",
        (Sight(SLOW, "a busy or paused machine"),),
        (
            Command(Side.CLIENT, "cat /proc/PID/schedstat", "the second number: ns that it waited for a CPU"),
            Command(Side.CLIENT, "vmstat 1", "r above the number of CPUs, st: stolen"),
        ),
        (Cause.STALLED,),
    ),
)
