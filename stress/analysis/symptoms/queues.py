# SPDX-License-Identifier: MIT
"""Explanations: the listener had no room, or its host no way to answer."""

from stress.analysis.symptoms.commands import LISTENERS, counters
from stress.analysis.symptoms.seen import AFTER_CONNECT, LADDER, TIMEOUT, TIMEOUT_SHARE
from stress.model.outcome import Cause
from stress.model.symptom import Command, Explanation, Setting, Side, Sight

DROPS = counters(Side.SERVER, "TcpExtListenOverflows", "TcpExtListenDrops", look="they rise by the same number")
NO_COOKIES = Setting(Side.SERVER, "net.ipv4.tcp_syncookies", ("0",))

EXPLANATIONS = (
    Explanation(
        "accept-queue",
        "a full accept queue",
        (Side.SERVER, "ListenOverflows rises"),
        "the server's program does not call accept() in time, and the kernel drops SYNs without an answer",
        "ListenOverflows = ListenDrops = SYNs without an answer; sk_drops says which listener",
        (
            Sight(TIMEOUT, "the program stands still", "771 of 900 with a backlog of 128, Linux 6.18"),
            Sight(LADDER, "the queue gets room again"),
        ),
        (DROPS, LISTENERS),
        (Cause.ACCEPT_QUEUE,),
        ("accept-queue",),
    ),
    Explanation(
        "no-descriptor",
        "a server without descriptors",
        (Side.SERVER, "ListenOverflows rises"),
        "accept() fails with EMFILE, and the accept queue fills",
        "as a full accept queue; the program's accept() fails, and it has as many descriptors open as its limit allows",
        (Sight(TIMEOUT, "descriptors stay used up"), Sight(LADDER, "the queue gets room again")),
        (
            DROPS,
            Command(Side.SERVER, "ls /proc/PID/fd | wc -l; grep files /proc/PID/limits", "open, and allowed"),
        ),
        (Cause.FD_EXHAUSTION,),
        ("fd-exhaustion",),
    ),
    Explanation(
        "syn-queue",
        "a full SYN queue without cookies",
        (Side.SERVER, "ListenDrops rises; ListenOverflows, Ip.OutNoRoutes do not"),
        "the listener has no room for another half-open connection, and may send no SYN cookie",
        "ListenDrops rises without ListenOverflows and without Ip.OutNoRoutes; TCPReqQFullDrop = ListenDrops where the "
        "listen() backlog is too small, and 0 where tcp_max_syn_backlog is",
        (
            Sight(TIMEOUT, "others fill the queue", setting=NO_COOKIES),
            Sight(LADDER, "half-open connections end", setting=NO_COOKIES),
        ),
        (
            counters(
                Side.SERVER,
                *("TcpExtListenDrops", "TcpExtListenOverflows", "TcpExtTCPReqQFullDrop"),
                look="with cookies TCPReqQFullDoCookies rises instead, and connects are not late",
            ),
            Command(Side.SERVER, "ss -tn state syn-recv", "half-open connections"),
        ),
        (Cause.SYN_QUEUE,),
        ("syn-queue",),
    ),
    Explanation(
        "stuck-listener",
        "one of several listeners stands still",
        (Side.SERVER, "ListenOverflows rises"),
        "the kernel gives each 4-tuple to one of the SO_REUSEPORT listeners, always the same one, and one of them does "
        "not accept",
        "ListenOverflows = ListenDrops = SYNs of the attempts that fail; sk_drops of one listener rises, those of the "
        "others do not",
        (
            Sight(
                TIMEOUT_SHARE,
                "one of N listeners: about 1/N of all attempts",
                "52 of 100 with two, 26 of 100 with four, Linux 6.18",
            ),
        ),
        (LISTENERS, DROPS),
        (Cause.ACCEPT_QUEUE,),
        ("reuseport-stuck",),
    ),
    Explanation(
        "closed-listener",
        "a listener that closed with connections in its queue",
        (Side.SERVER, "OutRsts rises"),
        "a program that restarts closes one of its SO_REUSEPORT listeners; the kernel resets what waits in its queue, "
        "although connect() has already succeeded",
        "the server's OutRsts = connections that fail on first use; with tcp_migrate_req=1 TCPMigrateReqSuccess rises "
        "instead, and none fails",
        (
            Sight(
                AFTER_CONNECT,
                "a listener closes",
                "26 of 40 with ECONNRESET, Linux 6.18",
                setting=Setting(Side.SERVER, "net.ipv4.tcp_migrate_req", ("0",)),
            ),
        ),
        (
            counters(Side.SERVER, "TcpOutRsts", "TcpExtTCPMigrateReqSuccess"),
            Command(Side.SERVER, "sysctl net.ipv4.tcp_migrate_req", "1 moves them to another listener (Linux 5.14)"),
        ),
        (Cause.LISTENER_CLOSED,),
        ("listener-reload",),
    ),
    Explanation(
        "no-route-back",
        "no route from the server to the client",
        (Side.SERVER, "ListenDrops = Ip.OutNoRoutes"),
        "the SYN arrives, and the server's host has no route for its answer",
        "ListenDrops = Ip.OutNoRoutes (Ip6OutNoRoutes over IPv6) = SYNs, ListenOverflows = 0; over IPv6 only a network "
        "that is unreachable is counted",
        (Sight(TIMEOUT), Sight(LADDER, "a route comes back meanwhile")),
        (
            counters(Side.SERVER, "TcpExtListenDrops", "IpOutNoRoutes", "TcpExtListenOverflows"),
            Command(Side.SERVER, "ip route get CLIENT", "unreachable, or another interface than the one of the SYN"),
        ),
        (Cause.NO_ROUTE_BACK,),
        ("no-route-back",),
    ),
)
