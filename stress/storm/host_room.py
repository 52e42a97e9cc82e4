# SPDX-License-Identifier: MIT
"""What a storm takes of the machine that it runs on, held against what there is, before it begins."""

from stress.lab import process_limits, room
from stress.model.plan import Plan
from stress.storm.check import plan_rules
from stress.storm.check.room_rules import address_space_faults, room_faults
from stress.storm.host_load import load_faults
from stress.storm.ports import PortRange


def refuse_excess(plan: Plan, ports: PortRange, nofile: int) -> None:
    """Raise UsageError, with the numbers, for a storm that would take more than this machine has.

    Args:
        plan: of an act, without faults of its own.
        ports: the ephemeral ports of the namespace.
        nofile: descriptors that one process may have.
    """
    plan_rules.refuse(room_faults(plan, ports, nofile, room.memory_room(), room.process_room()))
    plan_rules.refuse(address_space_faults(plan, ports, process_limits.address_space()))
    if plan.host:
        plan_rules.refuse(load_faults(plan, ports))
