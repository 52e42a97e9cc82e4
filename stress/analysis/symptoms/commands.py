# SPDX-License-Identifier: MIT
"""Commands that several explanations need, to be run on a live host."""

from stress.model.symptom import Command, Side


def counters(side: Side, *names: str, look: str = "") -> Command:
    """Return the command that prints counters of the kernel, by the names of nstat (iproute2)."""
    return Command(side, f"nstat -az {' '.join(names)}", look)


def old_sockets(state: str, look: str) -> Command:
    """Return the command that lists the server's sockets in a state, by the names of ss (iproute2)."""
    return Command(Side.SERVER, f"ss -tno state {state}", look)


LISTENERS = Command(
    Side.SERVER, "ss -ltnm", "Recv-Q is the queue, Send-Q its limit; d in skmem counts this listener's drops"
)
RULES = "nft list ruleset"
CONNTRACK_SUMS = "cat /proc/net/stat/nf_conntrack"  # hexadecimal, one line per CPU
