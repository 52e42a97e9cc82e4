# SPDX-License-Identifier: MIT
"""The rules for what a firewall of a plan drops."""

from collections.abc import Iterator

from stress.model.mine import Isn
from stress.model.plan import Close, Plan
from stress.model.world import Drop, Firewall


def firewall_faults(plan: Plan) -> Iterator[str]:
    """Yield which values do not go together with what a firewall drops, or are not available on the host."""
    if plan.drop is Drop.RST and plan.close is Close.RST:
        yield "--drop rst would drop the RSTs of --close rst too, and leave the server every socket; use --close fin."
    if plan.drop is Drop.CHALLENGE and plan.close is not Close.RST:
        yield "--drop challenge also drops the server's ACK of a FIN; use --close rst."
    if plan.drop is Drop.INVALID and plan.firewall is Firewall.BPF:
        yield "--drop invalid asks conntrack, which a BPF filter cannot; use --firewall nft."
    if plan.world.is_across_link:  # what may be changed there, is found out there
        return
    if plan.host and plan.drop is not Drop.NOTHING and plan.firewall is not Firewall.BPF:
        yield "Rules are made inside the private namespace only; with --host use --firewall bpf."
    if plan.host and plan.isn is Isn.RANDOM:
        yield "Sequence numbers are set inside the private namespace only; leave out --host."
