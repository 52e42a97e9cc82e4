# SPDX-License-Identifier: MIT
"""Explanations: somebody answered that there is no connection."""

from stress.analysis.symptoms.commands import RULES, counters
from stress.analysis.symptoms.seen import REFUSED, TIMEOUT, UNREACHABLE, placed
from stress.model.outcome import Cause
from stress.model.symptom import Command, Explanation, Place, Side, Sight

EXPLANATIONS = (
    Explanation(
        "closed-port",
        "nobody listens",
        (Side.SERVER, "OutRsts rises"),
        "the server's host has no listener on this address and port, and its TCP answers by an RST",
        "OutRsts of the server = attempts that were refused",
        (Sight(REFUSED),),
        (
            Command(Side.SERVER, "ss -ltn", "the address and the port; [::] may be IPv6 alone"),
            counters(Side.SERVER, "TcpOutRsts", look="rises by one for each"),
        ),
        (Cause.NO_LISTENER,),
        ("rejected",),
    ),
    Explanation(
        "reset-by-firewall",
        "a firewall that answers by RST",
        (Side.SERVER, "OutRsts does not rise, a rule's counter does"),
        "a rule rejects with tcp reset; no TCP has sent the RST",
        "OutRsts of the server does not rise; the counter of the rule does",
        (Sight(REFUSED),),
        (
            counters(Side.SERVER, "TcpOutRsts", look="does not rise"),
            Command(
                Side.SERVER, RULES, "reject with tcp reset; look on the client and on the way too", is_for_root=True
            ),
        ),
        (Cause.REJECTED_BY_RST,),
        ("rejected",),
    ),
    Explanation(
        "icmp",
        "an ICMP error",
        (Side.CLIENT, "Icmp.InDestUnreachs rises"),
        "a firewall or a router answers by ICMP that it will not pass the SYN on",
        "Icmp.InDestUnreachs or InTimeExcds of the client = SYNs of these attempts; the type gives the errno",
        (
            Sight(REFUSED, "port unreachable"),
            Sight(
                UNREACHABLE, "host unreachable, or prohibited by a filter or a router; TTL", errnos=("EHOSTUNREACH",)
            ),
            Sight(UNREACHABLE, "network unreachable", errnos=("ENETUNREACH",)),
            Sight(UNREACHABLE, "protocol unreachable", errnos=("ENOPROTOOPT",)),
            Sight(UNREACHABLE, "over IPv6: prohibited by a filter or a router", errnos=("EACCES",)),
            Sight(
                UNREACHABLE,
                "over IPv6, or where ICMP errors are limited: the first SYN got none that counts, the second one did",
                "100 of 100 over IPv6, Linux 6.18",
                places=placed(Place.FIRST, Place.GIVE_UP),
                errnos=("EHOSTUNREACH", "ENETUNREACH", "EACCES", "ENOPROTOOPT"),
            ),
            Sight(
                REFUSED,
                "over IPv6: the first error is lost where it meets connect() itself, the second one ends it",
                "48 of 48, Linux 6.18",
                places=placed(Place.FIRST),
            ),
            Sight(
                TIMEOUT,
                "a router that rations its ICMP errors: some attempts get one, the others time out",
                "2 EHOSTUNREACH and 3 ETIMEDOUT of 5, Linux 6.18",
            ),
        ),
        (
            counters(Side.CLIENT, "IcmpInDestUnreachs", "Icmp6InDestUnreachs", "IcmpInTimeExcds"),
            counters(Side.ROUTER, "IcmpOutDestUnreachs", "IcmpOutRateLimitHost"),
            Command(Side.CLIENT, "tcpdump -ni any icmp or icmp6", "who sends it, and its code", is_for_root=True),
        ),
        (Cause.REJECTED_BY_ICMP,),
        ("rejected",),
    ),
)
