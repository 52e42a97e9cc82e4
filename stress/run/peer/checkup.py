# SPDX-License-Identifier: MIT
"""Checkup: whether this host and another one can storm across the link between them, and what lies between."""

import msgspec

import stress
from stress.lab import host
from stress.lab.privileges import read_privileges
from stress.model.errors import ConnstormError
from stress.model.host import Host
from stress.model.peer import ClockOffset, Privileges, Transport
from stress.model.plan import Plan, Serve
from stress.run.peer.plan import across_to, set_addresses, settle_addresses, source_addresses
from stress.run.peer.relay import Relay
from stress.run.peer.relay_spec import RelaySpec
from stress.run.peer.relays import Relays
from stress.storm.catalogue import find_scenario
from stress.storm.peer.answers import Description
from stress.storm.peer.calls import Ask, Describe, MeasureClock
from stress.storm.peer.joined_peer import LOST
from stress.storm.peer.probe import Probe, run_probe

SCENARIO = "clean"


class Checkup(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the two hosts.

    Attributes:
        peer: the other host, as the user wrote it.
        transport: of the control channel.
        address: of the other host, to which the control channel leads; empty where a proxy hides it.
        program: of this end; ``program_there`` of the other one, each with its version.
        host: this machine.
        privileges: what this process may do here.
        there: what the other host says of itself.
        clock: how far its clock is ahead.
        refusal: why it does not agree to two connections; empty: it does.
        probe: what was seen of them; None: there were none.
    """

    peer: str
    transport: Transport
    address: str
    program: str
    program_there: str
    host: Host
    privileges: Privileges
    there: Description
    clock: ClockOffset
    refusal: str = ""
    probe: Probe | None = None


def examine_peer(spec: RelaySpec, listen: str | None, port: int | None) -> Checkup:
    """Reach a host, ask it what it is, and make two connections to it if it agrees.

    Args:
        spec: how to reach it.
        listen: its address that is connected to; None: that of the control channel.
        port: its port; None: that of storms where its limits permit it, else the lowest that they do.

    Raises:
        UsageError, LabError: it cannot be reached, speaks another protocol, or was lost.
    """
    with Relays() as relays:
        return examine(relays.reach(spec), listen, port)


def examine(relay: Relay, listen: str | None, port: int | None) -> Checkup:
    """Examine the host that a relay has joined."""
    caller, joined, spec = relay.caller, relay.joined, relay.spec
    there: Description = caller.call(Describe())
    clock: ClockOffset = caller.call(MeasureClock())
    refusal, probe = "", None
    try:
        plan = settle_addresses(probe_plan(spec.peer, listen, port, there), joined.address)
        caller.call(Ask(plan, source_addresses(plan), change=False))
        probe = run_probe(caller, plan)
    except LOST:
        raise
    except ConnstormError as error:
        refusal = str(error)
    return Checkup(
        peer=spec.peer,
        transport=spec.transport,
        address=joined.address,
        program=f"connstorm {stress.__version__}",
        program_there=joined.program,
        host=host.read_host(),
        privileges=read_privileges(),
        there=there,
        clock=clock,
        refusal=refusal,
        probe=probe,
    )


def probe_plan(peer: str, listen: str | None, port: int | None, there: Description) -> Plan:
    """Return the plan of a probe, to which the other host has to agree as to that of any storm."""
    plan = across_to(find_scenario(SCENARIO).plan, peer)
    low, high = there.limits.ports
    usual = plan.target_port if low <= plan.target_port <= high else low
    plan = msgspec.structs.replace(plan, attempts=1, window=1, serve=Serve.NOBODY, target_port=port or usual)
    return set_addresses(plan, {"target": listen})
