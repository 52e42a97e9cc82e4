# SPDX-License-Identifier: MIT
"""What a figure of a suite says below it of the machines and the program."""

from stress.model.text import plural
from stress.model.units import tick_rate
from stress.store.suite_folder import Manifest
from stress.view.text.arm_lines import arm_lines


def caption(file: Manifest) -> list[str]:
    """Return what a reader of the figure needs to judge or repeat the suite."""
    (attestation, *others) = file.fingerprints.values()
    machines = [
        f"Linux {attestation.host.kernel}",
        f"HZ {tick_rate(attestation.host.jiffy_ns)}",
        f"{attestation.host.cpus} CPUs",
    ]
    if others:
        machines = [f"{name}: Linux {fingerprint.host.kernel}" for name, fingerprint in file.fingerprints.items()]
    booted = [f"{kernel.host.kernel}{' emulated' if kernel.host.emulated else ''}" for kernel in file.kernels.values()]
    return [
        *machines,
        *([f"booted: {', '.join(booted)}"] if booted else []),
        *(f"{name}: Linux {peer.host.kernel}" for name, peer in file.peers.items()),
        *arm_lines(file),
        f"{plural(file.suite.trials, 'trial')} per cell",
        f"seed {file.suite.seed}",
        f"suite {file.id}",
        attestation.program,
    ]
