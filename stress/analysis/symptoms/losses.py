# SPDX-License-Identifier: MIT
"""Explanations: a SYN or its answer was lost between the two hosts."""

from stress.analysis.symptoms.commands import RULES, counters
from stress.analysis.symptoms.seen import LADDER, RUNGS, SLOW, TIMEOUT
from stress.model.outcome import Cause
from stress.model.symptom import Command, Explanation, Place, Side, Sight

LOST = (Cause.LOST_ON_THE_WAY,)

EXPLANATIONS = (
    Explanation(
        "loss",
        "packets lost at random",
        (Side.CLIENT, "TCPSynRetrans rises, nothing else on any host"),
        "a link, a queue or a rule loses some SYNs or SYN-ACKs, whoever sends them",
        "no counter of the server's listeners moves; late attempts lie at random over time and ports, each rung has "
        "about the same share of those that reached it. SYN-ACKs are lost where the server's TCPSynRetrans rises",
        (
            Sight(
                LADDER,
                "the share of each rung is the loss",
                "of 200 with 20 % loss: 30 at 1 s, 7 at 2 s, 1 at 3 s, Linux 6.18",
            ),
        ),
        (
            counters(Side.CLIENT, "TcpExtTCPTimeouts", "TcpExtTCPSynRetrans", look="equal: every resend had a timeout"),
            counters(Side.SERVER, "TcpExtTCPSynRetrans", "TcpExtListenDrops", look="the first rises for lost SYN-ACKs"),
            Command(Side.ROUTER, "tc -s qdisc show; ip -s link show", "dropped"),
        ),
        LOST,
        ("loss", "link"),
    ),
    Explanation(
        "rate-limit",
        "a limit of new connections",
        (Side.SERVER, "the counter of a firewall's rule rises"),
        "a rule lets so many SYNs per second through and drops the others",
        "packets of the rule = TCPSynRetrans; some attempts more connect with each second, whatever their ports: a "
        "staircase in time",
        (
            Sight(
                LADDER,
                "as many connect per second as the limit allows",
                "5 each at 0, 1.0, 2.03, 3.05 s with a limit of 5/s, Linux 6.18",
            ),
        ),
        (
            Command(Side.SERVER, RULES, "limit rate over …, and its counter", is_for_root=True),
            counters(Side.CLIENT, "TcpExtTCPSynRetrans"),
        ),
        LOST,
        ("syn-rate-limit",),
    ),
    Explanation(
        "policy",
        "a firewall that drops",
        (Side.SERVER, "the counter of a firewall's rule rises"),
        "a rule of the server or on the way drops every SYN, or every SYN-ACK",
        "packets of the rule = SYNs; the server's ListenDrops does not move; where SYN-ACKs are dropped on the way the "
        "server's TCPSynRetrans rises, and where its own output chain drops them not even that",
        (Sight(TIMEOUT), Sight(LADDER, "the rule is changed meanwhile")),
        (
            Command(Side.SERVER, RULES, "the counter of a rule that drops, or the policy of a chain", is_for_root=True),
            counters(Side.SERVER, "TcpExtListenDrops", "TcpExtTCPSynRetrans"),
        ),
        LOST,
        ("policy",),
    ),
    Explanation(
        "link",
        "a slow or broken link, or its queue",
        (Side.CLIENT, "drops of ip -s link or tc -s qdisc rise"),
        "packets wait in the queue of a link, arrive late, or not at all because the link is down or damages them",
        "drops of the interface or its queue (ip -s link, tc -s qdisc); damaged packets raise Tcp.InCsumErrors; delay, "
        "reordering and duplicates cause no resend",
        (
            Sight(
                SLOW, "a delay, or a queue before a rate", "36–171 ms with a delay of 20 ± 5 ms, an emulated Linux 6.1"
            ),
            Sight(
                LADDER,
                "a queue that overflows, damaged packets; a delay adds to each rung",
                "6 of 10 at 1.03–1.27 s behind 8 kbit/s, Linux 6.18",
                places=RUNGS | {Place.BETWEEN},
            ),
            Sight(TIMEOUT, "a link that is down"),
        ),
        (
            Command(Side.CLIENT, "ip -s link show", "TX and RX dropped"),
            Command(Side.CLIENT, "tc -s qdisc show", "dropped, backlog"),
            counters(Side.SERVER, "TcpInCsumErrors", "IpExtInCsumErrors"),
        ),
        LOST,
        ("slow-link", "link"),
    ),
    Explanation(
        "cpu-backlog",
        "the backlog of the receiving CPU",
        (Side.SERVER, "rx_dropped of lo or drops of softnet_stat rise"),
        "more packets arrive at one moment than a CPU's backlog takes (net.core.netdev_max_backlog), as on a loopback "
        "whose timers fire in one tick",
        "rx_dropped of lo + ListenOverflows = SYNs without an answer",
        (Sight(LADDER, "thousands of SYNs in one tick", "1,144 of 7,996 SYNs, Linux 6.18"),),
        (
            Command(Side.CLIENT, "ip -s link show lo", "RX dropped"),
            Command(Side.SERVER, "cat /proc/net/softnet_stat", "the second column, hexadecimal"),
        ),
        LOST,
    ),
    Explanation(
        "rp-filter",
        "a source that should come from elsewhere",
        (Side.SERVER, "IPReversePathFilter rises"),
        "the server's host has a route to the client through another interface, and its rp_filter drops the SYN",
        "IPReversePathFilter = SYNs",
        (Sight(TIMEOUT),),
        (
            counters(Side.SERVER, "TcpExtIPReversePathFilter"),
            Command(Side.SERVER, "sysctl -a -r '\\.rp_filter'", "1, of the interface or of all"),
        ),
        (Cause.RP_FILTER,),
        ("rp-filter",),
    ),
    Explanation(
        "martian",
        "a source address that is the server's own",
        (Side.SERVER, "the log, with log_martians"),
        "the SYN has a source address which the server's host itself has, and is dropped as a martian",
        "no counter of TCP or IP moves; the log names it where log_martians is set; the kernel's reason is "
        "IP_LOCAL_SOURCE",
        (Sight(TIMEOUT),),
        (
            Command(Side.SERVER, "ip addr show to CLIENT", "the client's address is here too"),
            Command(Side.SERVER, "dmesg | grep martian", "with net.ipv4.conf.all.log_martians=1", is_for_root=True),
        ),
        (Cause.MARTIAN, *LOST),
        ("martian",),
    ),
    Explanation(
        "unwanted-by-tcp",
        "a listener that wants a signature, or a near client",
        (Side.SERVER, "TCPMD5… or TCPMinTTLDrop rises"),
        "the listener's socket asks for an MD5 signature that the SYN does not have or has wrong, or for a higher TTL "
        "(IP_MINTTL)",
        "TCPMD5NotFound, TCPMD5Unexpected, TCPMD5Failure or TCPMinTTLDrop = SYNs",
        (Sight(TIMEOUT),),
        (
            counters(
                Side.SERVER,
                *("TcpExtTCPMD5NotFound", "TcpExtTCPMD5Unexpected", "TcpExtTCPMD5Failure", "TcpExtTCPMinTTLDrop"),
            ),
        ),
    ),
    Explanation(
        "ipsec-in",
        "an IPsec policy of the server",
        (Side.SERVER, "XfrmInPolBlock rises"),
        "a policy of the server's host lets only protected packets in",
        "XfrmInPolBlock = SYNs",
        (Sight(TIMEOUT),),
        (Command(Side.SERVER, "cat /proc/net/xfrm_stat", "XfrmInPolBlock"),),
        LOST,
    ),
)
