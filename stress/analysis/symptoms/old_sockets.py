# SPDX-License-Identifier: MIT
"""Explanations: the SYN met an old socket of the server that holds the same 4-tuple."""

from stress.analysis.symptoms.commands import RULES, counters, old_sockets
from stress.analysis.symptoms.seen import LATE_LADDER, ONE_SECOND, TIMEOUT_PORTS, TWO_JIFFIES, placed
from stress.model.outcome import Cause
from stress.model.symptom import Command, Explanation, Place, Setting, Side, Sight

FAST_RESEND = (5, 6)  # commit 9603d47bad46: the resend after a challenge ACK takes two jiffies, not a second
CHALLENGES = counters(
    Side.SERVER, "TcpExtTCPSYNChallenge", "TcpExtTCPChallengeACK", look="both rise by one for each such connect"
)

EXPLANATIONS = (
    Explanation(
        "leaked-sockets",
        "leaked connections (CLOSE_WAIT)",
        (Side.SERVER, "TCPSYNChallenge rises, and sockets are in CLOSE_WAIT"),
        "the SYN met a connection that the client has closed and the server's program has not; the challenge ACK is "
        "answered by an RST, which clears it, and the SYN is sent again",
        "TCPSYNChallenge = TCPChallengeACK = such connects; the server's socket on this 4-tuple is in CLOSE_WAIT "
        "before, and gone after; the next connect from this port is not late",
        (
            Sight(
                TWO_JIFFIES,
                "one attempt for each leaked connection",
                "8–16 ms at HZ=250, Linux 6.18",
                since=FAST_RESEND,
            ),
            Sight(ONE_SECOND, "one attempt for each leaked connection", before=FAST_RESEND),
        ),
        (
            CHALLENGES,
            old_sockets("close-wait", "sockets that stay for minutes are leaked; with -p and root their program"),
        ),
        (Cause.CLOSEWAIT,),
        (
            "closewait",
            "conntrack-invalid",
            "article",
            "keepalive-cure",
            "port-choice",
            "translator",
            "fin-wait-2",
            "challenge-limit",
            "one-second",
        ),
    ),
    Explanation(
        "half-open",
        "half-open connections: the client vanished",
        (Side.SERVER, "TCPSYNChallenge or EmbryonicRsts rises, none in CLOSE_WAIT"),
        "the SYN met a socket of the server that still waits for a client which is gone: ESTABLISHED, FIN_WAIT, "
        "LAST_ACK or SYN_RECV; it is cleared as a leaked one is",
        "as leaked connections, but the server's socket is not in CLOSE_WAIT: in ESTABLISHED Tcp.InErrs rises by one "
        "for each, in SYN_RECV TCPSYNChallenge does not rise and EmbryonicRsts does; the other states are told by the "
        "list of sockets alone",
        (
            Sight(TWO_JIFFIES, figure="9–13 ms at HZ=250, Linux 6.18", since=FAST_RESEND),
            Sight(ONE_SECOND, before=FAST_RESEND),
        ),
        (
            counters(Side.SERVER, "TcpInErrs", "TcpExtEmbryonicRsts", "TcpExtTCPSYNChallenge"),
            old_sockets("established", "connections of clients that do not exist any more"),
        ),
        (Cause.STALE_SOCKET,),
        ("half-open",),
    ),
    Explanation(
        "time-wait",
        "clients behind one NAT that meet TIME_WAIT",
        (Side.SERVER, "PAWSTimewait or TCPACKSkippedTimeWait rises"),
        "the server closed first and holds the 4-tuple in TIME_WAIT; another client behind the same address gets its "
        "port within a minute, and its timestamp or sequence number is behind",
        "TCPSYNChallenge does not rise, and PAWSTimewait (PAWSEstab before Linux 6.16) = SYNs that met TIME_WAIT; with "
        "timestamps off no counter rises, and only the server's socket in TIME_WAIT tells",
        (
            Sight(
                TWO_JIFFIES,
                "timestamps of two clients have random offsets: about half of the meetings go well",
                "12 of 30 at 8.8–12.3 ms, Linux 6.18",
                since=FAST_RESEND,
            ),
            Sight(ONE_SECOND, "timestamps of two clients have random offsets", before=FAST_RESEND),
            Sight(
                TIMEOUT_PORTS,
                "TCPACKSkippedTimeWait rises; the port works again after a minute",
                "12 of 30, Linux 6.18",
                since=FAST_RESEND,
                setting=Setting(Side.SERVER, "net.ipv4.tcp_rfc1337", ("1",)),
                places=placed(Place.CHALLENGED_GIVE_UP),
            ),
        ),
        (
            counters(
                Side.SERVER,
                *("TcpExtPAWSTimewait", "TcpExtPAWSEstab", "TcpExtTCPACKSkippedTimeWait", "TcpExtTCPSYNChallenge"),
            ),
            old_sockets("time-wait", "the client's address and port"),
            Command(
                Side.CLIENT,
                "sysctl net.ipv4.tcp_timestamps",
                "with 2 there are no random offsets; clients of one host then connect at once",
            ),
        ),
        (Cause.TIME_WAIT,),
        ("time-wait-nat",),
    ),
    Explanation(
        "answered-for",
        "a firewall that answers in the client's place",
        (Side.SERVER, "TCPSYNChallenge rises, the client's OutRsts does not"),
        "the SYN met an old socket; a firewall on the client's side answers the challenge ACK by an RST and does not "
        "pass it on, so the client does not know that it may send its SYN again at once",
        "TCPSYNChallenge = TCPChallengeACK = the client's TCPSynRetrans = packets of the firewall's rule; the client's "
        "OutRsts does not rise",
        (
            Sight(
                ONE_SECOND,
                "one attempt for each old socket, as all collisions before Linux 5.6",
                "1.01–1.03 s, Linux 6.18",
            ),
        ),
        (
            CHALLENGES,
            counters(Side.CLIENT, "TcpExtTCPSynRetrans", "TcpOutRsts", look="the first rises, the second does not"),
            Command(Side.CLIENT, RULES, "a rule that rejects with tcp reset, and its counter", is_for_root=True),
        ),
        (Cause.CHALLENGE_INTERCEPTED,),
        ("one-second",),
    ),
    Explanation(
        "lost-reset",
        "old sockets, and a firewall that drops the RST",
        (Side.SERVER, "TCPSYNChallenge rises, and so does the client's OutRsts"),
        "the SYN met an old socket; the client's RST to the challenge ACK is dropped on its way, so the socket stays, "
        "and every SYN of this port meets it",
        "TCPSYNChallenge rises with every SYN, and the client sends RSTs; the old socket is there before and after",
        (
            Sight(
                TIMEOUT_PORTS,
                "one timeout earlier than without any answer, for the first resend came early",
                "2.0 s with tcp_syn_retries=1, Linux 6.18",
                since=FAST_RESEND,
                places=placed(Place.CHALLENGED_GIVE_UP),
            ),
            Sight(TIMEOUT_PORTS, before=FAST_RESEND, places=placed(Place.GIVE_UP)),
        ),
        (
            CHALLENGES,
            counters(Side.CLIENT, "TcpOutRsts", look="rises by one for each challenge ACK"),
            old_sockets("close-wait", "the client's port is still there after ETIMEDOUT"),
            Command(Side.ROUTER, RULES, "rules that drop RSTs, or what conntrack calls invalid", is_for_root=True),
        ),
        (Cause.RST_DROPPED,),
        ("rst-dropped", "conntrack-invalid"),
    ),
    Explanation(
        "lost-challenge",
        "old sockets, and a firewall that drops the challenge ACK",
        (Side.SERVER, "TCPSYNChallenge rises, the client's OutRsts does not"),
        "the SYN met an old socket, whose challenge ACK is dropped on its way: to the client, nobody answers",
        "TCPSYNChallenge = TCPChallengeACK rise with every SYN, and the client sends no RST; the old socket is there "
        "before and after",
        (Sight(TIMEOUT_PORTS, "after the whole ladder, as without any answer", places=placed(Place.GIVE_UP)),),
        (
            CHALLENGES,
            counters(Side.CLIENT, "TcpOutRsts", look="does not rise"),
            old_sockets("close-wait", "the client's port is still there after ETIMEDOUT"),
            Command(Side.ROUTER, RULES, "rules that drop an ACK in answer to a SYN", is_for_root=True),
        ),
        (Cause.CHALLENGE_DROPPED,),
        ("challenge-dropped",),
    ),
    Explanation(
        "few-challenges",
        "old sockets, and few challenge ACKs",
        (Side.SERVER, "TCPSYNChallenge rises by more than TCPChallengeACK"),
        "the SYN met an old socket, and the kernel's limit withheld the challenge ACK, so that the SYN waited for the "
        "next rung of the ladder",
        "TCPSYNChallenge > TCPChallengeACK + TCPACKSkippedChallenge: the difference is the SYNs without an answer",
        (
            Sight(
                LATE_LADDER,
                "servers before Linux 6.0 (100, later 1,000 challenge ACKs per second for the whole host), or a low "
                "tcp_challenge_ack_limit",
                "2, 3, 4, 5, 7 s next to 8–16 ms, Linux 6.18 with a limit of 100",
            ),
        ),
        (
            counters(Side.SERVER, "TcpExtTCPSYNChallenge", "TcpExtTCPChallengeACK", "TcpExtTCPACKSkippedChallenge"),
            Command(Side.SERVER, "sysctl net.ipv4.tcp_challenge_ack_limit", "2147483647 is no limit"),
        ),
        (Cause.CHALLENGE_LIMITED,),
        ("challenge-limit",),
    ),
)
