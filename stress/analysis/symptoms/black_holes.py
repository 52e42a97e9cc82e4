# SPDX-License-Identifier: MIT
"""Explanations: something on the way drops SYNs that carry an option or a flag."""

from stress.analysis.symptoms.commands import RULES, counters
from stress.analysis.symptoms.seen import ONE_RESEND, THREE_RESENDS, TIMEOUT
from stress.model.outcome import Cause
from stress.model.symptom import Command, Explanation, Setting, Side, Sight

LOST = (Cause.LOST_ON_THE_WAY,)

EXPLANATIONS = (
    Explanation(
        "ecn",
        "SYNs with ECN are dropped",
        (Side.CLIENT, "TCPSynRetrans rises, nothing else on any host"),
        "the client asks for ECN, and something on the way drops SYNs that do; the first resend does not ask any more",
        "each attempt to this destination has exactly one resend; with tcp_ecn=0 on the client none has; no counter of "
        "TCP tells",
        (
            Sight(
                ONE_RESEND,
                "tcp_ecn_fallback=1, the default",
                "each at 1.02 s, Linux 6.18",
                setting=Setting(Side.CLIENT, "net.ipv4.tcp_ecn", ("1", "3", "4")),
            ),
            Sight(
                TIMEOUT,
                "with tcp_ecn=1 on the client",
                setting=Setting(Side.CLIENT, "net.ipv4.tcp_ecn_fallback", ("0",)),
            ),
        ),
        (
            Command(Side.CLIENT, "sysctl net.ipv4.tcp_ecn net.ipv4.tcp_ecn_fallback", "1: the client asks for ECN"),
            Command(Side.CLIENT, "tcpdump -ni any 'tcp[13] & 0xc2 = 0xc2'", "SYNs that ask for ECN", is_for_root=True),
        ),
        (Cause.ECN_DROPPED, *LOST),
        ("ecn",),
    ),
    Explanation(
        "tfo",
        "SYNs with TCP Fast Open are dropped",
        (Side.CLIENT, "TCPSynRetrans rises, nothing else on any host"),
        "the program uses TCP Fast Open, and something on the way drops SYNs that have its option; the first resend "
        "has none",
        "each attempt has exactly one resend, and TCPFastOpenActive does not rise; programs without Fast Open connect "
        "at once",
        (Sight(ONE_RESEND, "programs that use TCP_FASTOPEN_CONNECT or MSG_FASTOPEN", "1.01–1.03 s, Linux 6.18"),),
        (
            counters(Side.CLIENT, "TcpExtTCPFastOpenActive", "TcpExtTCPFastOpenBlackhole", "TcpExtTCPSynRetrans"),
            Command(Side.CLIENT, "sysctl net.ipv4.tcp_fastopen", "the first bit: clients may"),
        ),
        (Cause.TFO_DROPPED, *LOST),
        ("tfo",),
    ),
    Explanation(
        "mptcp",
        "SYNs with Multipath TCP are dropped",
        (Side.CLIENT, "MPCapableSYNTXDrop rises"),
        "the program's socket is MPTCP, and something on the way drops SYNs with MP_CAPABLE; the third resend has none",
        "MPTcpExt MPCapableSYNTXDrop = such connects; each attempt has exactly three resends",
        (
            Sight(
                THREE_RESENDS,
                "the first connects of programs with MPTCP sockets; then these use plain TCP for an hour "
                "(net.mptcp.blackhole_timeout)",
                "each at 3.07 s, Linux 6.18",
                since=(6, 12),
            ),
        ),
        (
            counters(Side.CLIENT, "MPTcpExtMPCapableSYNTXDrop", "MPTcpExtBlackhole"),
            Command(Side.CLIENT, "ss -M", "MPTCP sockets"),
        ),
        (Cause.MPTCP_DROPPED, *LOST),
        ("mptcp",),
    ),
    Explanation(
        "timestamps",
        "SYNs with timestamps are dropped",
        (Side.CLIENT, "TCPSynRetrans rises, nothing else on any host"),
        "something on the way drops SYNs with the timestamp option; the kernel never sends one without",
        "with tcp_timestamps=0 on the client all connect; no counter of TCP tells",
        (Sight(TIMEOUT, setting=Setting(Side.CLIENT, "net.ipv4.tcp_timestamps", ("1", "2"))),),
        (
            Command(Side.CLIENT, "sysctl net.ipv4.tcp_timestamps", "1 or 2: SYNs carry the option"),
            Command(Side.ROUTER, RULES, "rules that match tcp option timestamp", is_for_root=True),
        ),
        LOST,
    ),
)
