# SPDX-License-Identifier: MIT
"""A storm against a host across a link: reached, asked, kept within its limits, and carried out in this process."""

import os
from pathlib import Path

from stress.lab.capture import Packets
from stress.lab.kernel_word.asked import AskedKernel
from stress.lab.signals import disregard_interrupts
from stress.model.peer import Transport
from stress.model.plan import Plan
from stress.model.progress import ProgressCallback, StormCallback, ignore_storm
from stress.model.run import Run
from stress.run.peer.clients import ReachedClient, add_clients, ask_clients
from stress.run.peer.peer_call import JOIN_VARIABLE
from stress.run.peer.plan import keep_within, settle_addresses, source_addresses
from stress.run.peer.relay import Relay
from stress.run.peer.relay_spec import CONNSTORM, RelaySpec
from stress.run.peer.relays import Relays
from stress.storm.peer.calls import Ask, MeasureClock
from stress.storm.peer.joined_peer import JoinedPeer
from stress.storm.run_plan import carry_out


def take_relay_spec(plan: Plan, command: str | None) -> RelaySpec:
    """Return how to reach the other host of a plan: by TLS if there is a join word, which this process forgets."""
    word = os.environ.pop(JOIN_VARIABLE, "")
    transport = Transport.TLS if word else Transport.SSH
    return RelaySpec(peer=plan.peers[0], transport=transport, command=command or CONNSTORM, word=word)


def storm_across_link(
    plan: Plan,
    spec: RelaySpec,
    notify: ProgressCallback,
    folder: Path,
    asked: AskedKernel | None,
    *,
    may_change: bool,
    announce: StormCallback = ignore_storm,
) -> tuple[Run, list[Packets], int]:
    """Carry out a plan against the host that it names; return as ``run_plan.carry_out`` does.

    Args:
        plan: what to do; its addresses may be open.
        spec: how to reach the other host.
        notify: called with each stage as it begins.
        folder: for records that do not fit into memory.
        asked: the kernel's own word, where it was asked for.
        may_change: whether settings, rules and routes of both hosts may be changed for the storm.
        announce: called when each storm is about to begin.

    Raises:
        UsageError: the plan cannot be carried out there, or the other host does not permit it; nothing was sent but by
            the control channel.
        LabError: the other host cannot be reached, or was lost before anything was recorded.
    """
    with Relays() as relays:
        notify(f"reaching {spec.peer} by {spec.transport}")
        relay = relays.reach(spec)
        others = [reach_client(name, spec, relays, notify) for name in plan.peers[1:]]
        joined, caller = relay.joined, relay.caller
        reached = [reached_by(other) for other in others]
        settled = add_clients(settle_addresses(plan, joined.address), reached)
        notify(f"asking {spec.peer} ({joined.program})")
        consent = caller.call(Ask(settled, source_addresses(settled), may_change))
        bounded, warnings = keep_within(settled, consent.limits)
        peer = JoinedPeer(
            caller=caller,
            name=spec.peer,
            transport=spec.transport,
            program=joined.program,
            consent=consent,
            control=(joined.own_address, joined.address),
            may_change=may_change,
            measure_clock=lambda: caller.call(MeasureClock()),
            warnings=warnings,
            clients=ask_clients(bounded, reached),
        )
        observed = carry_out(bounded, notify, folder, asked, peer, announce=announce)
        disregard_interrupts()  # while the relays end too: what was recorded is also written
        return observed


def reach_client(name: str, spec: RelaySpec, relays: Relays, notify: ProgressCallback) -> Relay:
    """Reach a host that is to be one more client, by ssh; its relay ends with the others."""
    notify(f"reaching {name} by {Transport.SSH}")
    return relays.reach(RelaySpec(peer=name, command=spec.command, as_client=True))


def reached_by(relay: Relay) -> ReachedClient:
    """Return the host at the other end of a relay as one that may become a client."""
    caller = relay.caller
    return ReachedClient(relay.spec.peer, caller, relay.joined.program, lambda: caller.call(MeasureClock()))
