# SPDX-License-Identifier: MIT
"""Commands of findings for another network namespace than that of the shell in which they are typed."""

import shlex

import msgspec

from stress.model.inspection import Inspection

INSPECT = "connstorm inspect"
OF_NETWORK = ("ss", "nstat", "sysctl", "conntrack", "nft", "ip")  # programs that look at their own network namespace


def place_commands(inspection: Inspection, where: str) -> Inspection:
    """Return an inspection whose commands look at the network namespace that was asked for.

    Args:
        inspection: of it.
        where: its path, or the id of a process in it.
    """
    path = f"/proc/{where}/ns/net" if where.isdecimal() else where

    def place(command: str) -> str:
        if command.startswith(INSPECT):
            return f"{INSPECT} --netns {shlex.quote(where)}{command.removeprefix(INSPECT)}"
        if command.partition(" ")[0] in OF_NETWORK:
            return f"nsenter --net={shlex.quote(path)} {command}"
        return command

    findings = [
        msgspec.structs.replace(
            finding, commands=[*map(place, finding.commands)], remedies=[*map(place, finding.remedies)]
        )
        for finding in inspection.findings
    ]
    return msgspec.structs.replace(inspection, findings=findings)
